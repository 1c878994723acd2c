import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'

const root = path.join(import.meta.dirname, '../..')
const folder = path.join(root, 'test/fixtures/mcp')
const startTimeoutMs = 20_000

/** The eras of the conformance fixture: one of them, or both. */
export type FixtureForm = 'legacy' | 'dual' | 'modern'

/** What a fixture listens with. Only the legacy form has others than `http`. */
export type FixtureTransport = 'http' | 'sse' | 'websocket'

/** A program on stdio as a service is given it. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
}

/** A server in a process of its own. Disposing of it kills it. */
export interface RunningFixture extends AsyncDisposable {
  readonly url: string
  readonly child: ChildProcess
}

/** A way in which the misbehaving server misbehaves; see `test/fixtures/mcp/misbehaviours.ts`. */
type Misbehaviour =
  | 'noise'
  | 'silent'
  | 'exit-on-call'
  | 'exit-on-probe'
  | 'long-line'
  | 'stuck-cursor'
  | 'unknown-content'
  | 'long-names'
  | 'slow-start'
  | 'no-initialize'
  | 'counter'
  | 'slow-call'
  | 'ask'
  | 'changing'

/** A server of the MCP project, as it comes from npm. */
type RealServer = 'everything' | 'filesystem' | 'memory' | 'sequential-thinking'

/** The conformance fixture on stdio. */
export function stdioFixture(form: FixtureForm): Command {
  return run(path.join(folder, `${form}.ts`), 'stdio')
}

/** The misbehaving server on stdio; `value` is what the mode takes, such as the ms of `slow-start`. */
export function misbehaving(mode: Misbehaviour, value?: string): Command {
  const values = value === undefined ? [] : [value]
  return run(path.join(folder, 'misbehaving.ts'), mode, ...values)
}

/** A server of the MCP project on stdio. `filesystem` takes its folders as arguments, `memory` reads `MEMORY_FILE_PATH`. */
export function realServer(name: RealServer, ...args: string[]): Command {
  const entry = `node_modules/@modelcontextprotocol/server-${name}/dist/index.js`
  return run(path.join(root, entry), ...args)
}

/** Starts the conformance fixture on a free port of 127.0.0.1. */
export function startFixture(
  form: FixtureForm,
  transport: FixtureTransport = 'http',
): Promise<RunningFixture> {
  return start([path.join(folder, `${form}.ts`), transport], (line) => line)
}

/**
 * Starts the server that forgets its sessions with its process, on this port of 127.0.0.1, or on a free one where it is 0.
 * `journal` is the file where it notes handshakes and calls; with `hangs` it answers no call.
 */
export function startRestartable(options: {
  readonly port: number
  readonly journal: string
  readonly hangs?: boolean
}): Promise<RunningFixture> {
  const { port, journal, hangs = false } = options
  const script = path.join(folder, 'restartable.ts')
  return start([script, String(port), journal, ...(hangs ? ['hang'] : [])], (line) => line)
}

/** Starts the server `everything` on a free port, of 127.0.0.1 although it would listen everywhere. */
export function startEverything(transport: 'sse' | 'streamableHttp'): Promise<RunningFixture> {
  const preload = path.join(folder, 'listen-on-loopback.ts')
  const { args } = realServer('everything', transport)
  const endpoint = transport === 'sse' ? '/sse' : '/mcp'
  return start(['--import', preload, ...args], (line) =>
    line.startsWith('http://127.0.0.1:') ? line + endpoint : undefined,
  )
}

/** A server of one tool, `hello`, that starts in an instant and lives as long as its stdin. */
export function instantServer(): Command {
  const answer = (result: string) => `echo '{"jsonrpc":"2.0","id":'"$id"',"result":${result}}'`
  const hello =
    '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}'
  const tools = '{"tools":[{"name":"hello","inputSchema":{"type":"object"}}]}'
  const script = `
    while read -r line; do
      id=\${line#*\\"id\\":}; id=\${id%%[,\\}]*}
      case $line in
        *'"initialize"'*) ${answer(hello)};;
        *'"tools/list"'*) ${answer(tools)};;
        *'"tools/call"'*) ${answer('{"content":[{"type":"text","text":"hello"}]}')};;
      esac
    done`
  return { command: '/bin/sh', args: ['-c', script] }
}

function run(...args: string[]): Command {
  return { command: process.execPath, args }
}

/** Resolves with the first line of stdout in which there is a URL. */
async function start(
  args: readonly string[],
  findUrl: (line: string) => string | undefined,
): Promise<RunningFixture> {
  const env = { PATH: process.env['PATH'], PORT: '0' }
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  const stop = async () => {
    child.kill('SIGKILL')
    await closed
  }
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => reject(new Error(`Not started: ${errors}`)), startTimeoutMs)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const url = findUrl(line)
    if (url !== undefined) resolve(url)
  })
  void closed.then(() => reject(new Error(`Ended: ${errors}`)))
  const url = await promise
    .finally(() => clearTimeout(timer))
    .catch(async (error: unknown) => {
      await stop()
      throw error
    })
  return { url, child, [Symbol.asyncDispose]: stop }
}
