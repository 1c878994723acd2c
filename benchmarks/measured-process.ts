import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** The core of whatever is measured, and the core of the load and the mock upstream. */
export const cores = { measured: 0, load: 1 } as const

/** A server under measurement. */
export interface MeasuredServer extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** The process that does the work. */
  readonly pid: number
}

/** Throws where the measurement cannot be made: it reads `/proc` and needs two cores. */
export function assertMeasurable(): void {
  if (process.platform !== 'linux') throw new Error('This benchmark needs Linux')
  if (availableParallelism() < 2) throw new Error('This benchmark needs two cores')
}

/** CPU time that the process and all its threads have used since they began, user and system, in µs. Resolution 10 ms. */
async function readCpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name in brackets and may hold blanks; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  // USER_HZ is 100 in the ABI of every architecture that Node supports.
  return ticks * 10_000
}

/** CPU time of a process and its descendants in µs, apart by the core to which they are pinned. */
export interface TreeCpu {
  readonly measuredMicros: number
  /** Of the upstream that the process has started on the core of the load. */
  readonly upstreamMicros: number
}

/** Reads the CPU time of a whole tree. What has ended meanwhile does not count. */
export async function readTreeCpu(pid: number): Promise<TreeCpu> {
  let measuredMicros = 0
  let upstreamMicros = 0
  for (const member of [pid, ...(await listDescendants(pid))]) {
    const spent = await readCpuMicros(member).catch(() => 0)
    const status = await readFile(`/proc/${member}/status`, 'utf8').catch(() => '')
    const isUpstream = status.includes(`\nCpus_allowed_list:\t${cores.load}\n`)
    if (isUpstream) upstreamMicros += spent
    else measuredMicros += spent
  }
  return { measuredMicros, upstreamMicros }
}

/** All processes that a process has started, directly or not, and that still run. */
export async function listDescendants(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  )
  const children = lists.flatMap((list) => list.split(' ').filter(Boolean)).map(Number)
  const further = await Promise.all(children.map(listDescendants))
  return [...children, ...further.flat()]
}

/** Resident memory of the process, MB (10⁶ bytes). */
export async function readRssMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  return (kibibytes * 1024) / 1e6
}

/** The command that runs a file of this folder. */
export function nodeCommand(file: string, ...args: string[]): string[] {
  return [process.execPath, join(import.meta.dirname, file), ...args]
}

/** The command, kept to one core. What it starts stays there too, unless it is pinned elsewhere. */
export function pinned(core: number, command: readonly string[]): string[] {
  return ['taskset', '--cpu-list', String(core), ...command]
}

/** Starts a command on a core. Whoever starts it stops it. */
export function spawnPinned(
  core: number,
  command: readonly string[],
  options: { stdio: StdioOptions; env?: NodeJS.ProcessEnv },
): ChildProcess {
  const [program = '', ...args] = pinned(core, command)
  const child = spawn(program, args, options)
  // Whatever fails to start or dies early is noticed by those who wait for its port or its message.
  child.on('error', (error) => {
    throw error
  })
  return child
}

/** Ends a process, with patience. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exited
  clearTimeout(patience)
}

/** Makes a folder that goes with the scope. */
export async function temporaryFolder(scope: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portico-bench-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when the URL is answered with a status that `accept` takes. Throws when that takes 20 seconds. */
export async function poll(url: string, accept: (status: number) => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  let status = 0
  do {
    status = await fetch(url).then(
      (answer) => answer.status,
      () => 0,
    )
    if (accept(status) && status !== 0) return
    await pause(2)
  } while (performance.now() < deadline)
  throw new Error(`${url} did not become ready; last status ${status}`)
}
