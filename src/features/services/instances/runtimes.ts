import { AppError } from '../../../lib/errors.ts'
import type { Catalogue, ListKind } from '../catalogue/catalogue.ts'
import type { Service, ServiceDirectory } from '../service.ts'
import { createHealthWatch, type HealthWatch } from './health-watch.ts'
import type { ServiceControl } from './service-control.ts'
import { statusOf, sumFigures } from './runtime-status.ts'
import { changedKinds } from './list-changes.ts'
import { createManners, type Manners } from './manners.ts'
import { ServiceRuntime, type RuntimeDependencies } from './service-runtime.ts'
import type { ServiceFigures, ServiceStatus } from './service-status.ts'

/** What the runtimes need. */
export interface RuntimesDependencies extends Omit<RuntimeDependencies, 'manners'> {
  readonly directory: ServiceDirectory
  readonly catalogue: Catalogue
  /** Says whether the service is to run at all, and whether from the start on. */
  readonly desiredState: (service: Service) => 'started' | 'stopped' | 'auto'
}

/** Hears which lists of a service changed. */
export type ListsListener = (kinds: ReadonlySet<ListKind>) => void

/** Hears of every service. */
type AnyListsListener = (serviceId: string, kinds: ReadonlySet<ListKind>) => void

/** What runs of all services: each has its own runtime, made when it is first used and another when it changes. Disposing of them ends everything. */
export class Runtimes implements ServiceControl, AsyncDisposable {
  readonly #deps: RuntimesDependencies
  readonly #runtimes = new Map<string, ServiceRuntime>()
  readonly #manners: Manners
  readonly #listeners = new Map<string, Set<ListsListener>>()
  readonly #allListeners = new Set<AnyListsListener>()
  readonly #health: HealthWatch
  readonly #leave: readonly (() => void)[]

  constructor(deps: RuntimesDependencies) {
    this.#deps = deps
    this.#manners = createManners(deps.clock)
    this.#health = createHealthWatch({ ...deps, runtimes: () => this.#runtimes.values() })
    this.#leave = [
      deps.directory.onChange((change) => {
        this.#onChange(change).catch((error: unknown) => {
          deps.log.error({ err: error }, 'a change of a service could not be followed')
        })
      }),
      deps.catalogue.onChange((serviceId, kinds) => this.#tell(serviceId, kinds)),
    ]
  }

  /** The runtime of a service as it is now. */
  of(service: Service): ServiceRuntime {
    const known = this.#runtimes.get(service.id)
    if (known !== undefined) return known
    this.#recallManner(service)
    const runtime = new ServiceRuntime({ ...this.#deps, manners: this.#manners }, service)
    if (this.#deps.desiredState(service) === 'stopped') void runtime.stop()
    runtime.onListsChanged((methods) =>
      this.#tell(service.id, new Set([...methods].flatMap((method) => [...changedKinds(method)]))),
    )
    // Of one that is gone nothing is to be kept.
    const isKnown = this.#deps.directory.service(service.id) !== undefined
    if (isKnown || service.settings.enabled) this.#runtimes.set(service.id, runtime)
    return runtime
  }

  /** Starts what is to run from the start on. Resolves when all have started or failed. */
  async startAll(): Promise<void> {
    const services = [...this.#deps.directory.all()].filter((service) => this.#isToRun(service))
    await Promise.all(services.map((service) => this.#begin(service)))
  }

  /** Ends what a service has open for one key, whose own values for it have changed. */
  async endUser(serviceId: string, keyId: string): Promise<void> {
    await this.#runtimes.get(serviceId)?.endUser(keyId)
  }

  /** Hears after lists of a service changed: because the server said so, or by approval or filter. Returns the function that ends it. */
  onListsChanged(serviceId: string, listener: ListsListener): () => void {
    const known = this.#listeners.get(serviceId)
    const listeners = known ?? new Set()
    if (known === undefined) this.#listeners.set(serviceId, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      const isLast = listeners.size === 0 && this.#listeners.get(serviceId) === listeners
      if (isLast) this.#listeners.delete(serviceId)
    }
  }

  /** Hears the same of every service. Returns the function that ends it. */
  onAnyListsChanged(listener: AnyListsListener): () => void {
    this.#allListeners.add(listener)
    return () => this.#allListeners.delete(listener)
  }

  start(serviceId: string): Promise<void> {
    return this.#find(serviceId).start({ force: true })
  }

  stop(serviceId: string): Promise<void> {
    return this.#find(serviceId).stop()
  }

  async restart(serviceId: string): Promise<void> {
    const runtime = this.#find(serviceId)
    await runtime.stop()
    await runtime.start({ force: true })
  }

  refresh(serviceId: string): Promise<void> {
    return this.#find(serviceId).start({ force: false })
  }

  status(serviceId: string): ServiceStatus {
    return { ...statusOf(this.#find(serviceId)), health: this.#health.of(serviceId) }
  }

  figures(serviceId: string): Promise<ServiceFigures | undefined> {
    return sumFigures(this.#find(serviceId))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const leave of this.#leave) leave()
    this.#health.close()
    const runtimes = [...this.#runtimes.values()]
    await Promise.all(runtimes.map((runtime) => runtime[Symbol.asyncDispose]()))
  }

  #find(serviceId: string): ServiceRuntime {
    const service = this.#deps.directory.service(serviceId)
    if (service === undefined) throw new AppError('not_found', 'There is no such service.')
    return this.of(service)
  }

  /** The era of a program costs a child to find out, so what the catalogue knows of it is believed. */
  #recallManner(service: Service): void {
    const published = this.#deps.catalogue.published(service.id)
    if (published?.revision !== service.revision) return
    if (service.settings.upstream.kind !== 'process') return
    const { era } = published.hello
    this.#manners.remember(
      service.revision,
      { era, transport: 'streamable-http' },
      published.fetchedAt,
    )
  }

  #tell(serviceId: string, kinds: ReadonlySet<ListKind>): void {
    for (const listener of this.#listeners.get(serviceId) ?? []) listener(kinds)
    for (const listener of this.#allListeners) listener(serviceId, kinds)
  }

  /** What is set anew begins anew; where nothing that runs is concerned, it goes on. */
  async #onChange({ before, after }: { before?: Service; after?: Service }): Promise<void> {
    const runtime = before === undefined ? undefined : this.#runtimes.get(before.id)
    if (before !== undefined && after !== undefined && runsAlike(before, after)) {
      runtime?.adopt(after)
      return
    }
    if (before !== undefined) this.#runtimes.delete(before.id)
    await runtime?.[Symbol.asyncDispose]()
    if (after !== undefined && this.#isToRun(after)) await this.#begin(after)
  }

  #isToRun(service: Service): boolean {
    const { enabled, start } = service.settings
    const desired = this.#deps.desiredState(service)
    return enabled && desired !== 'stopped' && (start === 'always' || desired === 'started')
  }

  async #begin(service: Service): Promise<void> {
    const { log } = this.#deps
    await this.of(service)
      .start({ force: false })
      .catch((error: unknown) => log.warn({ err: error, service: service.name }, 'not started'))
  }
}

/** Says whether what runs of a service may go on when it is set anew. */
function runsAlike(before: Service, after: Service): boolean {
  const concerned = ({ revision, settings }: Service) => {
    const { enabled, isolation, interactive, start, idleStopMs, lifetimeMaxMs, restart } = settings
    return JSON.stringify([
      revision,
      [enabled, isolation, interactive, start, idleStopMs, lifetimeMaxMs, restart],
    ])
  }
  return concerned(before) === concerned(after)
}
