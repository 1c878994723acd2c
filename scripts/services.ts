// The system programs that tests and benchmarks need: finds them, installs them where it may, starts them on free ports.
// As a command, `node scripts/services.ts` does the first two for all of them.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, globSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { chown, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

/** Each program and the Debian package that brings it. */
const packages = {
  postgres: 'postgresql',
  'redis-server': 'redis-server',
  nginx: 'nginx-light',
  chromium: 'chromium',
  bwrap: 'bubblewrap',
} as const

/** A system program by the name of its file. */
export type ProgramName = keyof typeof packages

/** A program that was started for tests. Disposing of it ends it at once and removes its files. */
export interface RunningService extends AsyncDisposable {
  readonly url: string
}

const startTimeoutMs = 30_000

/**
 * Path of the program; installs it first where that is allowed, which is as root on Debian and its kin.
 * Undefined where it is missing, but with `CI` set that is an error: there nothing is ever left out.
 */
export function ensureProgram(name: ProgramName): string | undefined {
  const found = findProgram(name) ?? (mayInstall() ? install(name) : undefined)
  if (found === undefined && process.env['CI']) throw new Error(`${name} is not installed`)
  return found
}

/** Path of the program as it is installed, or undefined. Also looks where Debian hides servers from the path. */
export function findProgram(name: ProgramName): string | undefined {
  const versioned = globSync('/usr/lib/postgresql/*/bin').toSorted().toReversed()
  const folders = [...versioned, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** Starts PostgreSQL with an empty cluster and a superuser `portico` without password, on loopback. Throws when it is not installed. */
export async function startPostgres(): Promise<RunningService> {
  // Behind a link there is the folder where initdb is found, too.
  const program = realpathSync(requireProgram('postgres'))
  const user = unprivilegedUser()
  await using scope = new AsyncDisposableStack()
  const folder = await createFolder(scope, 'postgres', user)
  const cluster = join(folder, 'cluster')
  const port = await findFreePort()
  const options = { ...user, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } }
  const initialise = ['-D', cluster, '-U', 'portico', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  await runToEnd(spawn(join(dirname(program), 'initdb'), initialise, options))
  // Nothing here has to survive a crash of the machine.
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'fsync=off',
    'max_connections=200',
  ]
  const flags = settings.flatMap((setting) => ['-c', setting])
  return await serve(scope, {
    child: spawn(program, ['-D', cluster, '-k', folder, ...flags], options),
    // SIGQUIT is "immediate shutdown": no checkpoint, no waiting for clients.
    signal: 'SIGQUIT',
    url: `postgres://portico@127.0.0.1:${port}/postgres`,
  })
}

/** Starts Redis without persistence, on loopback. Throws when it is not installed. */
export async function startRedis(): Promise<RunningService> {
  const program = requireProgram('redis-server')
  await using scope = new AsyncDisposableStack()
  const folder = await createFolder(scope, 'redis', {})
  const port = await findFreePort()
  const flags = `--port ${port} --bind 127.0.0.1 --appendonly no --dir ${folder} --save`.split(' ')
  return await serve(scope, {
    child: spawn(program, [...flags, '']),
    signal: 'SIGKILL',
    url: `redis://127.0.0.1:${port}`,
  })
}

function mayInstall(): boolean {
  return process.getuid?.() === 0 && isExecutable('/usr/bin/apt-get')
}

function install(name: ProgramName): string | undefined {
  console.log(`Installing ${packages[name]} with apt …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args: string[]) => spawnSync('apt-get', args, { env, stdio: 'inherit' })
  apt('update', '-qq')
  apt('install', '-y', '-qq', '--no-install-recommends', packages[name])
  return findProgram(name)
}

function requireProgram(name: ProgramName): string {
  const path = ensureProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface User {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL refuses to run as root: then the account that the package made, or `nobody`. */
function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) return {}
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const account = ['postgres', 'nobody']
    .map((name) => accounts.find(([accountName]) => accountName === name))
    .find((found) => found !== undefined)
  return account ? { uid: Number(account[2]), gid: Number(account[3]) } : {}
}

async function createFolder(
  scope: AsyncDisposableStack,
  name: string,
  { uid, gid }: User,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `portico-${name}-`))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  return folder
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function runToEnd(child: ChildProcess): Promise<void> {
  const output: string[] = []
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString()))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${child.spawnfile} failed: ${output.join('')}`)
}

/** Resolves when a line of either output matches; rejects with the output when the program ends before, or the time is up. */
async function readLineUntil(child: ChildProcess, pattern: RegExp): Promise<void> {
  const seen: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const fail = () => reject(new Error(`${child.spawnfile} did not start: ${seen.join('\n')}`))
  const timer = setTimeout(fail, startTimeoutMs)
  child.once('error', reject).once('close', fail)
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    createInterface(stream).on('line', (line) => {
      seen.push(line)
      if (pattern.test(line)) resolve()
    })
  }
  await promise.finally(() => clearTimeout(timer))
}

interface ServiceParts {
  readonly child: ChildProcess
  /** What ends it at once. */
  readonly signal: NodeJS.Signals
  readonly url: string
}

/** Waits until the program serves, and takes over what the scope holds for it. */
async function serve(
  scope: AsyncDisposableStack,
  { child, signal, url }: ServiceParts,
): Promise<RunningService> {
  const kill = () => void child.kill(signal)
  process.once('exit', kill)
  scope.defer(async () => {
    process.off('exit', kill)
    const isRunning =
      child.pid !== undefined && child.exitCode === null && child.signalCode === null
    const ended = isRunning && once(child, 'exit')
    kill()
    await ended
  })
  await readLineUntil(child, /ready to accept connections/i)
  const owned = scope.move()
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

if (import.meta.main) {
  for (const name of Object.keys(packages) as ProgramName[]) {
    console.log(`${name}: ${ensureProgram(name) ?? 'not installed'}`)
  }
}
