import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { stringify } from 'yaml'
import type { LoadPlan, LoadReport, LoadResult } from './load.ts'
import {
  cores,
  freePort,
  nodeCommand,
  poll,
  spawnPinned,
  stop,
  temporaryFolder,
} from './measured-process.ts'
import type { MeasuredServer } from './measured-process.ts'

/** Portico in a process of its own, with its state in a temporary folder. */
export interface PorticoProcess extends MeasuredServer {
  readonly adminKey: string
  /** From the start of the process to the first 200 of `/readyz`, ms. */
  readonly startMs: number
  /** File with everything that it printed, the access log included. */
  readonly logFile: string
}

/** What a Portico is started with. */
export interface PorticoOptions {
  /** Folder with its state, which stays. Without it the state goes with the process. */
  readonly home?: string
  /** Sections of the configuration. */
  readonly settings?: object
}

/** The load generator, waiting for jobs. */
export interface LoadProcess<Job> extends AsyncDisposable {
  /** Runs one job to its end. Rejects when a single answer was wrong. */
  run(job: Job): Promise<LoadReport>
  /** How many requests the server at this port has answered, over all jobs. */
  answeredBy(port: number): number
}

/** Starts a mock upstream, a file of this folder, on the load's core. */
export async function startMock(file: string): Promise<MeasuredServer> {
  const child = spawnPinned(cores.load, nodeCommand(file), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [port] = (await once(child, 'message')) as [number]
  return { name: file, port, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child) }
}

/** Starts a load generator, a file of this folder, on the load's core. */
export function startLoad<Job extends LoadPlan>(file: string): LoadProcess<Job> {
  const child = spawnPinned(cores.load, nodeCommand(file), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const answered = new Map<number, number>()
  return {
    answeredBy: (port) => answered.get(port) ?? 0,
    run: async (job) => {
      child.send(job)
      const [result] = (await once(child, 'message')) as [LoadResult]
      if ('failure' in result) throw new Error(`${JSON.stringify(job)}: ${result.failure}`)
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
export async function startPortico(options: PorticoOptions = {}): Promise<PorticoProcess> {
  await using scope = new AsyncDisposableStack()
  const folder = options.home ?? (await temporaryFolder(scope))
  const logFile = join(folder, 'portico.log')
  const log = await open(logFile, 'w')
  const port = await freePort()
  const startedAt = performance.now()
  const config = join(folder, 'portico.yaml')
  await writeFile(config, stringify({ limits: porticoLimits, ...options.settings }))
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

async function untilListening(port: number): Promise<void> {
  await poll(`http://127.0.0.1:${port}/health`, () => true)
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  await poll(`http://127.0.0.1:${port}/readyz`, (status) => {
    if (child.exitCode !== null) throw new Error(`Portico ended with ${child.exitCode}`)
    return status === 200
  })
}

/** All load comes from one address and never reconnects; nginx is relieved of the same bounds below. */
const porticoLimits = { connectionsPerIpMax: 4096, requestsPerSocketMax: 0 }

/** One for all, since a home that is used again keeps it. */
const adminKey = `bench-${crypto.randomUUID()}`

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
