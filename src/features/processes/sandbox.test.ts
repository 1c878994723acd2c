import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hasBubblewrap } from '../../../test/support/bubblewrap.ts'
import {
  createFolder,
  echoScript,
  nodeProgram,
  openTestProcesses,
  readLines,
  until,
} from '../../../test/support/processes.ts'
import { markerVariable, readProcessTable } from './process-table.ts'
import type { Processes } from './processes.ts'

const closed = { network: false }

/** Evaluates an expression in the sandbox and returns its value. */
async function evaluate(
  processes: Processes,
  expression: string,
  fields: Parameters<typeof nodeProgram>[1] = {},
): Promise<unknown> {
  const script = `Promise.try(async () => ${expression}).then(
    (value) => console.log(JSON.stringify({ value })),
    (error) => console.log(JSON.stringify({ error: error.code ?? error.message })))`
  await using program = processes.supervise(nodeProgram(script, { sandbox: closed, ...fields }))
  return JSON.parse(await readLines(await program.start()).next())
}

test.runIf(hasBubblewrap)(
  'a sandboxed program sees no file of the host but its folder',
  async () => {
    await using folder = await createFolder()
    await using outside = await createFolder()
    await writeFile(join(outside.path, 'secret'), 'canary')
    await using processes = await openTestProcesses()
    expect(processes.canSandbox).toBe(true)
    const read = (file: string) =>
      evaluate(processes, `require('fs').readFileSync(${JSON.stringify(file)}, 'utf8')`, {
        cwd: folder.path,
      })
    expect(await read('/etc/shadow')).toEqual({ error: 'ENOENT' })
    expect(await read(join(outside.path, 'secret'))).toEqual({ error: 'ENOENT' })
    expect(await read(join(processes.dataDir, 'processes'))).toEqual({ error: 'ENOENT' })
    expect(await evaluate(processes, `require('fs').writeFileSync('/usr/canary', '')`)).toEqual({
      error: 'EROFS',
    })
    const write = `require('fs').writeFileSync('note', 'hello')`
    expect(await evaluate(processes, write, { cwd: folder.path })).toEqual({})
    expect(await readFile(join(folder.path, 'note'), 'utf8')).toBe('hello')
  },
)

test.runIf(hasBubblewrap)('a sandboxed program sees its own processes only', async () => {
  await using processes = await openTestProcesses()
  const count = `require('fs').readdirSync('/proc').filter((name) => Number(name)).length`
  expect(await evaluate(processes, count)).toEqual({ value: 2 })
  const parent = `require('fs').readFileSync('/proc/1/environ', 'utf8').includes('PORTICO')`
  expect(await evaluate(processes, parent)).toEqual({ value: false })
})

test.runIf(hasBubblewrap)(
  'a sandboxed program has a network only where it is allowed',
  async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await using processes = await openTestProcesses()
    const connect = `require('events').once(require('net').connect(${port}, '127.0.0.1'), 'connect').then(() => 'open')`
    expect(await evaluate(processes, connect)).toEqual({ error: 'ECONNREFUSED' })
    expect(await evaluate(processes, connect, { sandbox: { network: true } })).toEqual({
      value: 'open',
    })
    server.close()
  },
)

test.runIf(hasBubblewrap)(
  'a sandboxed program has its environment, and nobody reads it in the arguments',
  async () => {
    await using processes = await openTestProcesses()
    const env = { TOKEN: 'canary-4711', LD_PRELOAD: '' }
    const value = await evaluate(
      processes,
      `[process.env.TOKEN, process.env.HOME, process.env.LD_PRELOAD]`,
      { env },
    )
    expect(value).toEqual({ value: ['canary-4711', '/home/program', ''] })
    await using program = processes.supervise(nodeProgram(echoScript(), { env, sandbox: closed }))
    const { pid } = await program.start()
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('canary-4711')
  },
)

test.runIf(hasBubblewrap)(
  'a sandboxed tree is gone after a stop, and had its chance to end well',
  async () => {
    await using processes = await openTestProcesses({ config: { stopTermMs: 5_000 } })
    const script = `const fs = require('fs')
    const { spawn } = require('child_process')
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' }).unref()
    setInterval(() => {}, 1000)
    process.on('SIGTERM', () => { fs.writeFileSync('ended-well', ''); process.exit(0) })
    console.log(process.env.${markerVariable})`
    await using folder = await createFolder()
    const program = processes.supervise(nodeProgram(script, { cwd: folder.path, sandbox: closed }))
    const marker = await readLines(await program.start()).next()
    const count = async () =>
      [...(await readProcessTable()).values()].filter((entry) => entry.marker === marker).length
    await until(async () => (await count()) >= 4)
    await program.stop()
    expect(await count()).toBe(0)
    expect(await readFile(join(folder.path, 'ended-well'), 'utf8')).toBe('')
  },
)

test.runIf(hasBubblewrap)(
  'a folder that holds our own data is refused, also behind a link',
  async () => {
    await using folder = await createFolder()
    const dataDir = join(folder.path, 'data')
    await mkdir(dataDir)
    await using processes = await openTestProcesses({ dataDir })
    const supervise = (cwd: string) =>
      processes.supervise(nodeProgram('', { cwd, sandbox: closed }))
    expect(() => supervise('/')).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    expect(() => supervise(folder.path)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
    await using elsewhere = await createFolder()
    await symlink(folder.path, join(elsewhere.path, 'link'))
    await expect(supervise(join(elsewhere.path, 'link')).start()).rejects.toThrow('data folder')
  },
)

test('without bubblewrap a sandbox is refused, with the reason', async () => {
  await using processes = await openTestProcesses({ environment: { PATH: '/nowhere' } })
  expect(processes.canSandbox).toBe(false)
  expect(() => processes.supervise(nodeProgram('', { sandbox: closed }))).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      message: expect.stringMatching(/bubblewrap|Linux/),
    }),
  )
})
