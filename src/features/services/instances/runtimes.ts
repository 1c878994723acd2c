import { AppError } from '../../../lib/errors.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { ProgramFigures } from '../process-host.ts'
import type { Service, ServiceDirectory } from '../service.ts'
import { createHealthWatch } from './health-watch.ts'
import type { ServiceControl } from './service-control.ts'
import { ServiceRuntime, type RuntimeDependencies } from './service-runtime.ts'
import type { ServiceFigures, ServiceStatus } from './service-status.ts'

/** What the runtimes need. */
export interface RuntimesDependencies extends Omit<RuntimeDependencies, 'manners'> {
  readonly directory: ServiceDirectory
  readonly catalogue: Catalogue
  /** Says whether the service is to run at all, and whether from the start on. */
  readonly desiredState: (service: Service) => 'started' | 'stopped' | 'auto'
}

/** What runs of all services. Disposing of it ends everything. */
export interface Runtimes extends ServiceControl, AsyncDisposable {
  /** The runtime of a service as it is now. */
  of(service: Service): ServiceRuntime
  /** Starts what is to run from the start on, what was used last first. Resolves when all have started or failed. */
  startAll(): Promise<void>
  /** Hears after the lists of a service changed: because the server said so, or by approval or filter. Returns the function that ends it. */
  onListsChanged(serviceId: string, listener: () => void): () => void
}

/** Creates the runtimes; each service gets its own when it is first used, and another when it changes. */
export function createRuntimes(deps: RuntimesDependencies): Runtimes {
  const { directory, catalogue, log } = deps
  const runtimes = new Map<string, ServiceRuntime>()
  const manners: RuntimeDependencies['manners'] = new Map()
  const listeners = new Map<string, Set<() => void>>()
  const notify = (serviceId: string) => {
    for (const listener of listeners.get(serviceId) ?? []) listener()
  }
  const health = createHealthWatch({ ...deps, runtimes: () => runtimes.values() })

  function of(service: Service): ServiceRuntime {
    const known = runtimes.get(service.id)
    if (known !== undefined) return known
    const published = catalogue.published(service.id)
    if (published?.revision === service.revision && service.settings.upstream.kind === 'process') {
      manners.set(service.revision, { era: published.hello.era, transport: 'streamable-http' })
    }
    const runtime = new ServiceRuntime({ ...deps, manners }, service)
    if (deps.desiredState(service) === 'stopped') void runtime.stop()
    runtime.onListsChanged(() => notify(service.id))
    runtimes.set(service.id, runtime)
    return runtime
  }

  function find(serviceId: string): ServiceRuntime {
    const service = directory.service(serviceId)
    if (service === undefined) throw new AppError('not_found', 'There is no such service.')
    return of(service)
  }

  /** What is set anew begins anew; where nothing that runs is concerned, it goes on. */
  async function replace(before: Service, after: Service | undefined): Promise<void> {
    const runtime = runtimes.get(before.id)
    if (after?.settings.enabled === true && after.revision === before.revision) {
      runtime?.adopt(after)
      return
    }
    runtimes.delete(before.id)
    await runtime?.[Symbol.asyncDispose]()
    if (after !== undefined && isToRun(after)) await begin(after)
  }

  function isToRun(service: Service): boolean {
    const { enabled, start } = service.settings
    const desired = deps.desiredState(service)
    return enabled && desired !== 'stopped' && (start === 'always' || desired === 'started')
  }

  async function begin(service: Service): Promise<void> {
    await of(service)
      .start({ force: false })
      .catch((error: unknown) => log.warn({ err: error, service: service.name }, 'not started'))
  }

  const leave = [
    directory.onChange(({ before, after }) => {
      if (before !== undefined) void replace(before, after)
      else if (after !== undefined && isToRun(after)) void begin(after)
    }),
    catalogue.onChange((serviceId) => notify(serviceId)),
  ]

  return {
    of,
    async startAll() {
      await Promise.all([...directory.all()].filter(isToRun).map(begin))
    },
    onListsChanged(serviceId, listener) {
      const set = listeners.get(serviceId) ?? new Set()
      listeners.set(serviceId, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0 && listeners.get(serviceId) === set) listeners.delete(serviceId)
      }
    },
    start: (serviceId) => find(serviceId).start({ force: true }),
    stop: (serviceId) => find(serviceId).stop(),
    async restart(serviceId) {
      await find(serviceId).stop()
      await find(serviceId).start({ force: true })
    },
    refresh: (serviceId) => find(serviceId).start({ force: false }),
    status(serviceId) {
      const runtime = find(serviceId)
      return { ...statusOf(runtime), health: health.of(serviceId) }
    },
    figures: (serviceId) => sumFigures(find(serviceId)),
    async [Symbol.asyncDispose]() {
      for (const end of leave) end()
      health.close()
      await Promise.all([...runtimes.values()].map((runtime) => runtime[Symbol.asyncDispose]()))
    },
  }
}

function statusOf(runtime: ServiceRuntime): Omit<ServiceStatus, 'health'> {
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

async function sumFigures({ programs }: ServiceRuntime): Promise<ServiceFigures | undefined> {
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
