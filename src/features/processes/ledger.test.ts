import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createFolder, isRunning, openTestProcesses } from '../../../test/support/processes.ts'
import { hasProcessTable, markerVariable, readBootId, readProcess } from './process-table.ts'

const supervisor = new URL('../../../test/support/supervisor.ts', import.meta.url).pathname

test.skipIf(!hasProcessTable)('after kill -9 and a new start no orphan is left', async () => {
  await using folder = await createFolder()
  const portico = spawn(process.execPath, [supervisor, folder.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pids: number[] = []
  for await (const line of createInterface(portico.stdout)) {
    pids.push(Number(/\d+/.exec(line)?.[0]))
    if (line.startsWith('ready')) break
  }
  portico.kill('SIGKILL')
  await once(portico, 'close')
  expect(pids).toHaveLength(2)
  expect(pids.some(isRunning)).toBe(true)
  await using processes = await openTestProcesses({ dataDir: folder.path })
  expect(pids.filter(isRunning)).toEqual([])
  expect(await readdir(join(processes.dataDir, 'processes'))).toEqual([])
})

test.skipIf(!hasProcessTable)(
  'a child of which only the marker was noted is found by it',
  async () => {
    await using folder = await createFolder()
    await using stranger = await startSleeper('ffff')
    await using orphan = await startSleeper('aaaa')
    await writeLedger(folder.path, 'aaaa', { pid: null, startTicks: null })
    await using _ = await openTestProcesses({ dataDir: folder.path })
    expect(isRunning(orphan.pid)).toBe(false)
    expect(isRunning(stranger.pid)).toBe(true)
  },
)

test.skipIf(!hasProcessTable)('half an entry, as a crash may leave it, does as well', async () => {
  await using folder = await createFolder()
  await using orphan = await startSleeper('bbbb')
  await mkdir(join(folder.path, 'processes'))
  await writeFile(join(folder.path, 'processes', 'bbbb.json'), '{"id":"pro')
  await using _ = await openTestProcesses({ dataDir: folder.path })
  expect(isRunning(orphan.pid)).toBe(false)
})

test.skipIf(!hasProcessTable)(
  'a child without the marker is found by pid and start time',
  async () => {
    await using folder = await createFolder()
    await using orphan = await startSleeper('unlike')
    const startTicks = readProcess(orphan.pid)?.startTicks ?? null
    await writeLedger(folder.path, 'cccc', { pid: orphan.pid, startTicks })
    await using _ = await openTestProcesses({ dataDir: folder.path })
    expect(isRunning(orphan.pid)).toBe(false)
  },
)

test.skipIf(!hasProcessTable)('whoever has got the pid since is left alone', async () => {
  await using folder = await createFolder()
  await using stranger = await startSleeper('unlike')
  const startTicks = (readProcess(stranger.pid)?.startTicks ?? 0) - 1
  await writeLedger(folder.path, 'dddd', { pid: stranger.pid, startTicks })
  await using processes = await openTestProcesses({ dataDir: folder.path })
  expect(isRunning(stranger.pid)).toBe(true)
  expect(await readdir(join(processes.dataDir, 'processes'))).toEqual([])
})

test.skipIf(!hasProcessTable)('entries from before the machine started touch nobody', async () => {
  await using folder = await createFolder()
  await using stranger = await startSleeper('eeee')
  const startTicks = readProcess(stranger.pid)?.startTicks ?? null
  await writeLedger(folder.path, 'eeee', { pid: stranger.pid, startTicks, bootId: 'another' })
  await using processes = await openTestProcesses({ dataDir: folder.path })
  expect(isRunning(stranger.pid)).toBe(true)
  expect(await readdir(join(processes.dataDir, 'processes'))).toEqual([])
})

/** A process with a marker in its environment, in a group of its own. */
async function startSleeper(marker: string): Promise<AsyncDisposable & { pid: number }> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
    detached: true,
    env: { [markerVariable]: marker },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function writeLedger(dataDir: string, marker: string, fields: object): Promise<void> {
  const entry = { id: 'program', owner: 'service', bootId: readBootId(), ...fields }
  await mkdir(join(dataDir, 'processes'), { recursive: true })
  await writeFile(join(dataDir, 'processes', `${marker}.json`), JSON.stringify(entry))
}
