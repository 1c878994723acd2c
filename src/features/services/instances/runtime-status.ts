import type { ProgramFigures } from '../process-host.ts'
import type { ServiceControl } from './service-control.ts'
import type { ServiceRuntime } from './service-runtime.ts'
import type { ServiceFigures, ServiceStatus } from './service-status.ts'

/** Where a service is, but for its health. */
export function statusOf(runtime: ServiceRuntime): Omit<ServiceStatus, 'health'> {
  const { instances, programs, lastError, service } = runtime
  const crashed = programs.map(({ state }) => state).find((state) => state.state === 'crashed')
  const stderr = crashed?.state === 'crashed' ? crashed.exit.stderr : []
  return {
    state: stateOf(runtime),
    instances: instances.length,
    callsRunning: instances.reduce((sum, { running }) => sum + running, 0),
    lastError: service.settings.enabled ? (lastError?.message ?? null) : null,
    stderr,
    restarts: programs.reduce((sum, { restarts }) => sum + restarts, 0),
  }
}

function stateOf({
  isStopped,
  instances,
  isOpening,
  programs,
  service,
}: ServiceRuntime): ServiceStatus['state'] {
  if (isStopped || !service.settings.enabled) return 'stopped'
  if (instances.length > 0) return 'running'
  const states = new Set(programs.map(({ state }) => state.state))
  if (states.has('crashed')) return 'crashed'
  if (isOpening || states.has('starting')) return 'starting'
  return states.has('backoff') ? 'backoff' : 'idle'
}

/** Figures of all programs of a service; undefined where none runs. */
export async function sumFigures({
  programs,
}: ServiceRuntime): Promise<ServiceFigures | undefined> {
  const all = await Promise.all(programs.map((program) => program.figures()))
  const known = all.filter((figures): figures is ProgramFigures => figures !== undefined)
  const [first] = known
  if (first === undefined) return undefined
  const sum = (read: (figures: ProgramFigures) => number) =>
    known.reduce((total, figures) => total + read(figures), 0)
  return {
    pid: first.pid,
    cpuPercent: sum(({ cpuPercent }) => cpuPercent),
    memoryBytes: sum(({ memoryBytes }) => memoryBytes),
    uptimeMs: Math.max(...known.map(({ uptimeMs }) => uptimeMs)),
    restarts: sum(({ restarts }) => restarts),
  }
}

/** Our states in the words of MCP Reverse Proxy. What waits to be started on demand does not run. */
export const proxyStates = {
  stopped: 'stopped',
  idle: 'stopped',
  starting: 'starting',
  running: 'running',
  backoff: 'restarting',
  crashed: 'crashed',
} as const satisfies Readonly<Record<ServiceStatus['state'], string>>

/** State and figures of a service in the words of the proxies that only knew running and not running. */
export async function healthOf(control: ServiceControl, serviceId: string): Promise<object> {
  const { state, lastError, health, restarts } = control.status(serviceId)
  const status = proxyStates[state]
  const figures = await control.figures(serviceId)
  const metrics =
    figures === undefined
      ? null
      : {
          pid: figures.pid,
          status,
          uptime: figures.uptimeMs,
          restartCount: restarts,
          memoryUsage: figures.memoryBytes,
          cpuUsage: figures.cpuPercent,
        }
  return { status, metrics, lastError, health }
}
