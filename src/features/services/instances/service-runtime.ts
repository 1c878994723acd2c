import { randomBase58 } from '../../../lib/ids.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { Catalogue, FetchedCatalogue } from '../catalogue/catalogue.ts'
import type { Program, ProgramState } from '../process-host.ts'
import type { ClientProfile } from '../relay/relay.ts'
import type { Service } from '../service.ts'
import type { JsonObject } from '../wire/json.ts'
import { createEarlyListener } from './early-listener.ts'
import { ask, fetchCatalogue } from './fetch-catalogue.ts'
import { Instance } from './instance.ts'
import { ListKeeper } from './list-keeper.ts'
import { InstanceGroup, type Lease } from './instance-group.ts'
import { hasUserValues } from './service-values.ts'
import {
  createConnectionOpener,
  type ConnectionOpener,
  type OpenDependencies,
} from './open-connection.ts'
import { canAsk, introduce, introducePlainly, type Introduction } from './told-capabilities.ts'

/** What runs a service needs. */
export interface RuntimeDependencies extends OpenDependencies {
  readonly log: Log
  readonly catalogue: Catalogue
  /** Name and version of Portico, for servers. */
  readonly clientInfo: JsonObject
  readonly instancesMax: () => number
}

/** Who wants to use a service. */
export type User = Pick<ClientProfile, 'capabilities' | 'clientInfo' | 'era' | 'sessionId'> & {
  readonly keyId: string
}

/** Instances of a service that one kind of user shares, with the program that is behind them where there is one. */
interface Held {
  readonly group: InstanceGroup
  readonly introduction: Introduction
  readonly programs: Program[]
  readonly isPrivate: boolean
  /** Whose values it was opened with; undefined where they are those of the service alone. */
  readonly keyId: string | undefined
}

/** How long a call about which a client may be asked waits for the one before it. */
const turnWaitMs = 2000
const sharedMembersMax = 8

/** Everything that runs of one service, at one revision of it. Disposing of it ends it all. */
export class ServiceRuntime implements AsyncDisposable {
  #service: Service
  readonly #deps: RuntimeDependencies
  readonly #held = new Map<string, Held>()
  readonly #opener: ConnectionOpener
  readonly #lists: ListKeeper
  /** What was read of instances that serve one user alone, until they say that it has changed. */
  readonly #ownLists = new WeakMap<Instance, Promise<FetchedCatalogue>>()
  #isStopped = false
  lastError: AppError | undefined

  constructor(deps: RuntimeDependencies, service: Service) {
    this.#deps = deps
    this.#service = service
    this.#opener = createConnectionOpener(deps, service)
    this.#lists = new ListKeeper({
      ...deps,
      service: () => this.service,
      openFor: (introduction) =>
        [...this.#held.values()].find((held) => held.introduction.key === introduction)?.group
          .instances[0],
    })
  }

  get service(): Service {
    return this.#service
  }

  /** Goes on with settings that concern nothing that runs. */
  adopt(service: Service): void {
    this.#service = service
  }

  /** Ends one instance; whoever needs it next gets another. */
  async discard(instance: Instance): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ group }) => group.discard(instance)))
  }

  get instances(): readonly Instance[] {
    return [...this.#held.values()].flatMap(({ group }) => group.instances)
  }

  get programs(): readonly Program[] {
    return [...this.#held.values()].flatMap(({ programs }) => programs)
  }

  get isOpening(): boolean {
    return [...this.#held.values()].some(({ group }) => group.isOpening)
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Hears after the server said that lists changed, once the catalogue has them: the methods of its notifications. Returns the function that ends it. */
  onListsChanged(listener: (methods: ReadonlySet<string>) => void): () => void {
    return this.#lists.onChanged(listener)
  }

  /** An instance for this user. `asks`: the server may ask the client something about the call. Rejects with `service_failed` and as connecting does. */
  async lease(user: User, asks: boolean): Promise<Lease> {
    const { name, settings } = this.service
    if (!settings.enabled) throw new AppError('service_failed', `The service ${name} is disabled.`)
    if (this.#isStopped) throw new AppError('service_failed', `The service ${name} is stopped.`)
    const { key, held } = this.#hold(user)
    const lease = await held.group.lease(asks)
    if (this.service.settings.isolation !== 'per-call') return lease
    return {
      instance: lease.instance,
      release: () => {
        lease.release()
        void this.#drop(key, held)
      },
    }
  }

  /** The instance that is open for this user now, if there is one. */
  current(user: User): Instance | undefined {
    return this.#held.get(this.#keyOf(user, this.#introduce(user)))?.group.instances[0]
  }

  /** Ends what belongs to one session. */
  async endSession(sessionId: string): Promise<void> {
    const suffix = `session:${sessionId}`
    const own = [...this.#held].filter(([key]) => key.endsWith(suffix))
    await Promise.all(own.map(([key, held]) => this.#drop(key, held)))
  }

  /** Ends what was opened with the values of one user, because they are other ones now. */
  async endUser(keyId: string): Promise<void> {
    this.#opener.forgetFailuresOf(keyId)
    const own = [...this.#held].filter(([, held]) => held.keyId === keyId)
    await Promise.all(own.map(([key, held]) => this.#drop(key, held)))
  }

  /** Starts an instance as for a client that can be asked nothing, and reads the lists of the server. `force`: forget earlier crashes and that it was stopped. */
  async start({ force }: { readonly force: boolean }): Promise<void> {
    if (force) {
      this.#isStopped = false
      this.#opener.forgetFailures()
    }
    await this.readLists(nobody)
  }

  /** Reads the lists of the server as this user would see them. */
  async readLists(user: User): Promise<void> {
    const introduction = this.#introduce(user).key
    const lease = await this.lease(user, false)
    const source = { instance: lease.instance, introduction }
    await this.#lists.read(source).finally(() => lease.release())
  }

  /** The lists of the server as this user sees them, from the user's own instance. Rejects as `lease` and reading do. */
  async ownLists(user: User): Promise<FetchedCatalogue> {
    const lease = await this.lease(user, false)
    const { instance } = lease
    const signal = AbortSignal.timeout(this.service.settings.startTimeoutMs)
    const read = this.#ownLists.get(instance) ?? fetchCatalogue(instance.connection, signal)
    this.#ownLists.set(instance, read)
    const forget = () => void this.#ownLists.delete(instance)
    read.catch(forget)
    return read.finally(() => lease.release())
  }

  /** Ends everything; nothing starts again before `start`. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lists.close()
    await Promise.all([...this.#held].map(([key, held]) => this.#drop(key, held)))
  }

  #hold(user: User): { key: string; held: Held } {
    const introduction = this.#introduce(user)
    const key = this.#keyOf(user, introduction)
    const known = this.#held.get(key)
    if (known !== undefined) return { key, held: known }
    if (this.#held.size >= this.#deps.instancesMax()) this.#makeRoom()
    const isPrivate =
      this.service.settings.isolation === 'per-session' && user.sessionId !== undefined
    const { idleStopMs, lifetimeMaxMs, start } = this.service.settings
    const isKept = start === 'always' && key === ''
    const programs: Program[] = []
    const held: Held = {
      introduction,
      programs,
      isPrivate,
      keyId: hasUserValues(this.service) ? user.keyId : undefined,
      group: new InstanceGroup(
        {
          clock: this.#deps.clock,
          open: () => this.#open(held, user.keyId),
          onGone: (error) => this.#onGone(key, held, error),
        },
        {
          idleStopMs: isKept ? null : idleStopMs,
          // The state of a session cannot move to another child.
          lifetimeMaxMs: isPrivate ? null : lifetimeMaxMs,
          membersMax: isPrivate ? 1 : sharedMembersMax,
          turnWaitMs,
        },
      ),
    }
    this.#held.set(key, held)
    return { key, held }
  }

  /** A modern server is told of the client by each request, and does not care whose the connection is. */
  #introduce(user: User): Introduction {
    const { manners, clientInfo } = this.#deps
    const isModern = manners.era(this.service.revision) === 'modern'
    return isModern ? introducePlainly(clientInfo) : introduce(this.service, user, clientInfo)
  }

  /** Users with the same key share an instance. */
  #keyOf(user: User, { key: told }: Introduction): string {
    const { isolation } = this.service.settings
    const needsUser = hasUserValues(this.service)
    if (isolation === 'per-call') return `${told}call:${randomBase58(12)}`
    if (isolation === 'per-session' && user.sessionId !== undefined) {
      return `${told}${needsUser ? user.keyId : ''}session:${user.sessionId}`
    }
    return isolation === 'shared' && !needsUser ? told : `${told}user:${user.keyId}`
  }

  #makeRoom(): void {
    for (const [key, { group }] of this.#held) {
      if (group.isEmpty) this.#held.delete(key)
    }
    if (this.#held.size < this.#deps.instancesMax()) return
    // Clients that left without a word keep nobody else out: what was opened longest ago and rests makes room.
    const idle = [...this.#held].find(([, { group }]) => group.isIdle)
    if (idle !== undefined) {
      this.#drop(...idle).catch((err: unknown) => {
        this.#deps.log.warn({ err, service: this.service.name }, 'not ended in good order')
      })
      return
    }
    throw new AppError('overloaded', `The service ${this.service.name} has too many instances.`)
  }

  async #open(held: Held, keyId: string): Promise<Instance> {
    const introduction = held.introduction.key
    const early = createEarlyListener()
    const { connection, stop } = await this.#opener
      .open({ ...held, keyId, client: held.introduction.hello, listener: early })
      .catch((error: unknown) => {
        this.lastError = error instanceof AppError ? error : undefined
        throw error
      })
    this.lastError = undefined
    const instance = new Instance(connection, {
      ownership: held.isPrivate ? 'private' : 'shared',
      canAsk: canAsk(held.introduction),
      stop,
      onListChanged: (method) => {
        this.#ownLists.delete(instance)
        this.#lists.announced({ instance, introduction }, method)
      },
    })
    early.handOver(instance.listener)
    if (instance.needsTurns) await settle(instance)
    this.#lists.opened({ instance, introduction })
    return instance
  }

  #onGone(key: string, held: Held, error: AppError | undefined): void {
    if (error === undefined) return
    this.lastError = error
    this.#deps.log.warn({ err: error, service: this.service.name }, 'instance ended')
    const { restart, start } = this.service.settings
    if (restart.auto && start === 'always' && key === '') this.#revive(held)
  }

  /** Starts it again, as often as the supervisor has patience with it. */
  #revive(held: Held): void {
    const [program] = held.programs
    const waitMs = reviveDelayMs(program?.state, this.#deps.clock.now())
    setTimeout(() => {
      if (this.#isStopped || this.#held.get('') !== held) return
      held.group.lease(false).then(
        (lease) => lease.release(),
        () => {
          if (program?.state.state !== 'crashed') this.#revive(held)
        },
      )
    }, waitMs).unref()
  }

  async #drop(key: string, held: Held): Promise<void> {
    if (this.#held.get(key) === held) this.#held.delete(key)
    await held.group[Symbol.asyncDispose]()
    await Promise.all(held.programs.map((program) => program[Symbol.asyncDispose]()))
  }
}

/** Portico itself, as a user of what it runs. */
const nobody: User = {
  keyId: 'system',
  era: 'legacy',
  sessionId: undefined,
  capabilities: {},
  clientInfo: {},
}

/**
 * What a server asks right after the handshake belongs to no call. Once it has answered a question of ours, all that is
 * out, and cannot be taken for something about the first call.
 */
async function settle({ connection }: Instance): Promise<void> {
  const signal = AbortSignal.timeout(settleMs)
  await ask(connection, { method: 'ping', params: {} }, signal).catch(() => undefined)
}

const settleMs = 2000

function reviveDelayMs(state: ProgramState | undefined, now: number): number {
  return state?.state === 'backoff' ? Math.max(0, state.retryAt - now) : 1000
}
