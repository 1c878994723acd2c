import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as pause } from 'node:timers/promises'
import type { LoadJob, LoadReport, LoadResult } from './load.ts'

/** The core of whatever is measured, and the core of the load and the mock upstream. */
const cores = { measured: 0, load: 1 } as const

/** A server under measurement. */
export interface MeasuredServer extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** The process that does the work. */
  readonly pid: number
}

/** Portico in a process of its own, with its state in a temporary folder. */
export interface PorticoProcess extends MeasuredServer {
  readonly adminKey: string
  /** From the start of the process to the first 200 of `/readyz`, ms. */
  readonly startMs: number
  /** File with everything that it printed, the access log included. */
  readonly logFile: string
}

/** The load generator, waiting for jobs. */
export interface LoadProcess extends AsyncDisposable {
  /** Runs one job to its end. Rejects when a single answer was wrong. */
  run(job: LoadJob): Promise<LoadReport>
  /** How many requests the server at this port has answered, over all jobs. */
  answeredBy(port: number): number
}

/** Throws where the measurement cannot be made: it reads `/proc` and needs two cores. */
export function assertMeasurable(): void {
  if (process.platform !== 'linux') throw new Error('This benchmark needs Linux')
  if (availableParallelism() < 2) throw new Error('This benchmark needs two cores')
}

/** Starts the mock upstream on the load's core. */
export async function startMockUpstream(): Promise<{ port: number } & AsyncDisposable> {
  const child = spawnPinned(cores.load, nodeCommand('mock-upstream.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [port] = (await once(child, 'message')) as [number]
  return { port, [Symbol.asyncDispose]: () => stop(child) }
}

/** Starts the load generator on the load's core. */
export function startLoad(): LoadProcess {
  const child = spawnPinned(cores.load, nodeCommand('load.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const answered = new Map<number, number>()
  return {
    answeredBy: (port) => answered.get(port) ?? 0,
    run: async (job) => {
      child.send(job)
      const [result] = (await once(child, 'message')) as [LoadResult]
      if ('failure' in result) throw new Error(`${job.body} at port ${job.port}: ${result.failure}`)
      answered.set(job.port, (answered.get(job.port) ?? 0) + result.report.requests)
      return result.report
    },
    [Symbol.asyncDispose]: () => stop(child),
  }
}

/** Starts nginx as a plain reverse proxy of the upstream: one worker, keep-alive both ways, no buffering, no log. */
export async function startNginx(program: string, upstreamPort: number): Promise<MeasuredServer> {
  await using scope = new AsyncDisposableStack()
  const folder = await temporaryFolder(scope)
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  await writeFile(config, nginxConfig({ folder, port, upstreamPort }))
  const command = [program, '-p', folder, '-e', join(folder, 'error.log'), '-c', config]
  const master = spawnPinned(cores.measured, command, { stdio: ['ignore', 'inherit', 'inherit'] })
  scope.defer(() => stop(master))
  await untilListening(port)
  const children = await readFile(`/proc/${master.pid}/task/${master.pid}/children`, 'utf8')
  const owned = scope.move()
  return {
    name: 'nginx',
    port,
    pid: Number(children.trim().split(' ')[0]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Starts Portico from source as a user would, pinned, and waits until it is ready. */
export async function startPortico(): Promise<PorticoProcess> {
  await using scope = new AsyncDisposableStack()
  const folder = await temporaryFolder(scope)
  const logFile = join(folder, 'portico.log')
  const log = await open(logFile, 'w')
  const port = await freePort()
  const adminKey = `bench-${crypto.randomUUID()}`
  const startedAt = performance.now()
  const config = join(folder, 'portico.yaml')
  await writeFile(config, porticoConfig)
  const source = join(import.meta.dirname, '../src')
  const preload = pathToFileURL(join(source, 'compile-cache.js')).href
  const command = [process.execPath, '--import', preload, join(source, 'bin.ts')]
  command.push('serve', '--config', config)
  const child = spawnPinned(cores.measured, command, {
    stdio: ['ignore', log.fd, log.fd],
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      PORTICO_PORT: String(port),
      PORTICO_DASHBOARD_PORT: String(await freePort()),
      PORTICO_DATA_DIR: join(folder, 'data'),
      PORTICO_ADMIN_KEY: adminKey,
    },
  })
  scope.defer(() => stop(child))
  await log.close()
  await untilReady(port, child)
  const startMs = performance.now() - startedAt
  const owned = scope.move()
  return {
    name: 'Portico',
    port,
    pid: child.pid ?? 0,
    adminKey,
    startMs,
    logFile,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** CPU time that the process and all its threads have used since they began, user and system, in µs. Resolution 10 ms. */
export async function readCpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name in brackets and may hold blanks; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  // USER_HZ is 100 in the ABI of every architecture that Node supports.
  return ticks * 10_000
}

/** Resident memory of the process, MB (10⁶ bytes). */
export async function readRssMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  return (kibibytes * 1024) / 1e6
}

function nodeCommand(file: string): string[] {
  return [process.execPath, join(import.meta.dirname, file)]
}

function spawnPinned(
  core: number,
  command: readonly string[],
  options: { stdio: StdioOptions; env?: NodeJS.ProcessEnv },
): ChildProcess {
  const child = spawn('taskset', ['--cpu-list', String(core), ...command], options)
  // Whatever fails to start or dies early is noticed by those who wait for its port or its message.
  child.on('error', (error) => {
    throw error
  })
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await exited
  clearTimeout(patience)
}

async function temporaryFolder(scope: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portico-bench-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function untilListening(port: number): Promise<void> {
  await poll(`http://127.0.0.1:${port}/health`, () => true)
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  await poll(`http://127.0.0.1:${port}/readyz`, (status) => {
    if (child.exitCode !== null) throw new Error(`Portico ended with ${child.exitCode}`)
    return status === 200
  })
}

async function poll(url: string, accept: (status: number) => boolean): Promise<void> {
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

/** All load comes from one address and never reconnects; nginx is relieved of the same bounds below. */
const porticoConfig = `
limits:
  connectionsPerIpMax: 4096
  requestsPerSocketMax: 0
`

function nginxConfig(at: { folder: string; port: number; upstreamPort: number }): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1; daemon off; pid ${at.folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 10000000;
  client_body_buffer_size 256k; client_max_body_size 64m;
  ${paths.map((name) => `${name}_temp_path ${at.folder}/${name};`).join(' ')}
  upstream mock { server 127.0.0.1:${at.upstreamPort}; keepalive 1024; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${at.port};
    location / {
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`
}
