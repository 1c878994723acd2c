import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  echoScript,
  isRunning,
  nodeProgram,
  openTestProcesses,
  reachState,
  readLines,
  until,
} from '../../../test/support/processes.ts'
import { hasProcessTable } from './process-table.ts'
import type { Child } from './run.ts'

test('a program that ends with its input is not signalled', async () => {
  await using processes = await openTestProcesses({ config: { stopStdinMs: 10_000 } })
  const script = `process.on('SIGTERM', () => process.exit(9))
    process.stdin.resume().on('end', () => { console.log('bye'); process.exit(0) })
    console.log('ready')`
  const program = processes.supervise(nodeProgram(script))
  const child = await program.start()
  const lines = readLines(child)
  await lines.next()
  await program.stop()
  expect(await child.exited).toMatchObject({ code: 0, signal: null })
  expect(lines.seen).toEqual(['ready', 'bye'])
})

test('a program that ignores the end of its input gets SIGTERM', async () => {
  await using processes = await openTestProcesses()
  const script = `setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(9)); console.log('ready')`
  const program = processes.supervise(nodeProgram(script))
  const child = await program.start()
  await readLines(child).next()
  await program.stop()
  expect(await child.exited).toMatchObject({ code: 9 })
})

test('a program that ignores SIGTERM is killed', async () => {
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript({ ignoresEnd: true })))
  const child = await program.start()
  await readLines(child).next()
  await program.stop()
  expect(await child.exited).toMatchObject({ signal: 'SIGKILL' })
  expect(isRunning(child.pid)).toBe(false)
})

test.skipIf(!hasProcessTable)(
  'grandchildren in sessions of their own go with the program',
  async () => {
    await using processes = await openTestProcesses()
    const program = processes.supervise(nodeProgram(echoScript({ grandchildren: 2 })))
    const { pids } = await readTree(await program.start())
    expect(pids.map(isRunning)).toEqual([true, true])
    await program.stop()
    expect(pids.map(isRunning)).toEqual([false, false])
  },
)

test.skipIf(!hasProcessTable)(
  'what a killed program leaves behind is gone before the next one runs',
  async () => {
    await using processes = await openTestProcesses()
    const restart = { auto: true, maxRestarts: 5, windowMs: 60_000 }
    const program = processes.supervise(nodeProgram(echoScript({ grandchildren: 1 }), { restart }))
    const child = await program.start()
    const { pids } = await readTree(child)
    process.kill(child.pid, 'SIGKILL')
    await child.exited
    expect(pids.map(isRunning)).toEqual([false])
    await reachState(program, 'running')
  },
)

test.skipIf(!hasProcessTable)(
  'a grandchild that drops its environment goes as well, its parent being there',
  async () => {
    await using processes = await openTestProcesses()
    const script = `const { spawn } = require('node:child_process')
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: {} })
    child.unref()
    child.on('spawn', () => console.log('grandchild ' + child.pid + '\\nready'))
    process.stdin.resume()`
    const program = processes.supervise(nodeProgram(script))
    const { pids } = await readTree(await program.start())
    await program.stop()
    expect(pids.map(isRunning)).toEqual([false])
  },
)

test('a process of somebody else is left alone', async () => {
  const stranger = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { detached: true })
  await once(stranger, 'spawn')
  await using processes = await openTestProcesses()
  const program = processes.supervise(nodeProgram(echoScript({ ignoresEnd: true })))
  await program.start()
  await program.stop()
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
  stranger.stdin.end()
  await once(stranger, 'exit')
})

test.skipIf(!hasProcessTable)(
  'a hundred starts and stops leave no process, file, ledger entry or descriptor',
  { timeout: 120_000 },
  async () => {
    await using processes = await openTestProcesses()
    const program = processes.supervise(
      nodeProgram('', { command: 'sh', args: ['-c', 'sleep 600 & cat'] }),
    )
    const pids: number[] = []
    const cycle = async () => {
      const child = await program.start()
      pids.push(child.pid)
      await program.stop()
    }
    for (let count = 0; count < 5; count += 1) await cycle()
    const before = await countDescriptors()
    for (let count = 0; count < 95; count += 1) await cycle()
    expect(new Set(pids).size).toBe(100)
    expect(pids.filter(isRunning)).toEqual([])
    expect(await readdir(join(processes.dataDir, 'processes'))).toEqual([])
    await until(async () => (await countDescriptors()) <= before + 2)
  },
)

async function countDescriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}

/** Reads up to `ready`; the pids of the grandchildren. */
async function readTree(child: Child): Promise<{ pids: number[] }> {
  const lines = readLines(child)
  await until(() => lines.seen.some((line) => line.startsWith('ready')))
  const pids = lines.seen.flatMap((line) => /^grandchild (\d+)$/.exec(line)?.slice(1) ?? [])
  return { pids: pids.map(Number) }
}
