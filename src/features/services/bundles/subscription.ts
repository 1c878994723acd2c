import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { ClientCall, ClientProfile } from '../relay/relay.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import { isJsonObject, objectAt } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import {
  editMessage,
  makeError,
  makeNotification,
  makeRequest,
  makeResult,
  paramsOf,
  type RpcNotification,
} from '../wire/rpc-message.ts'
import { metaFor, nextId } from './ask.ts'
import type { ListReason } from './bundle-lists.ts'
import { textIn } from './json-reading.ts'
import {
  changedList,
  createListChanges,
  makeListChanged,
  type ChangeKind,
  type ListChanges,
} from './list-changes.ts'
import type { Introduction } from './member-hellos.ts'
import type { MemberRelays, OpenMember } from './member-relays.ts'
import { keyOf, type Member } from './member.ts'
import { mergeCapabilities } from './merged-hello.ts'
import type { ResourceRoutes } from './resource-routes.ts'
import { createRetries, type Retries } from './retries.ts'
import {
  readFilter,
  readGranted,
  writeFilter,
  type SubscriptionFilter,
} from './subscription-filter.ts'

/** What subscriptions are made of. */
export interface SubscriptionOptions {
  readonly relays: MemberRelays
  readonly resources: ResourceRoutes
  readonly profile: ClientProfile
  readonly introduce: (member: Member, reason: ListReason) => Promise<Introduction>
  /** A member says that a list of its own has changed. */
  readonly onListChanged: (kind: ChangeKind) => void
  readonly config: Live<{ readonly listDeadlineMs: number }>
  readonly clock: Clock
}

/** The request of a client, and who is told that it has ended in any way. */
export interface ClientStream {
  readonly call: ClientCall
  readonly sink: CallSink
  readonly onOver: (ended: Subscription) => void
}

/** The stream of one member. */
interface Part {
  readonly open: OpenMember
  readonly asked: SubscriptionFilter
  granted: SubscriptionFilter | undefined
  running: RunningCall | undefined
  /** Called when it was acknowledged, or will not be. */
  readonly settle: () => void
}

const acknowledged = 'notifications/subscriptions/acknowledged'
const earlyMax = 1000
const nothing: SubscriptionFilter = { kinds: new Set(), uris: new Set() }

/**
 * One `subscriptions/listen` of a modern client: the streams of all members as one. It is acknowledged once, when all of
 * them were or a deadline is over; members that fail are tried again, and their return counts as a change of their lists.
 */
export class Subscription {
  private readonly options: SubscriptionOptions
  private readonly call: ClientCall
  private readonly sink: CallSink
  private readonly onOver: (ended: Subscription) => void
  private readonly changes: ListChanges
  private readonly retries: Retries
  private readonly parts = new Map<string, Part>()
  /** Members that do not do this. */
  private readonly refused = new Set<string>()
  private readonly givenUp = new AbortController()
  private state: 'opening' | 'open' | 'over' = 'opening'
  private asked: SubscriptionFilter = nothing
  private granted: SubscriptionFilter = nothing
  private early: RpcNotification[] = []

  constructor(options: SubscriptionOptions, { call, sink, onOver }: ClientStream) {
    this.options = options
    this.call = call
    this.sink = sink
    this.onOver = onOver
    this.changes = createListChanges((kind) => this.announce(makeListChanged(kind), kind))
    this.retries = createRetries(options.clock)
    this.open().catch((error: unknown) => {
      if (!this.stop()) return
      this.sink.onResponse(makeError(call.request.id, toRpcError(error, call.requestId)))
    })
  }

  /** Whether this is the request with that id. */
  hasId(id: string | undefined): boolean {
    return this.call.request.id === id
  }

  /** Members have come or gone, or their lists have changed. */
  changed(kinds: readonly ChangeKind[]): void {
    for (const kind of kinds) this.changes.add(kind)
    for (const [key, part] of this.parts) {
      if (this.options.relays.find(key) === undefined) this.drop(part)
    }
    this.refused.clear()
    if (this.state === 'open') this.reconnect()
  }

  /** The relay of a member is gone. */
  gone(open: OpenMember): void {
    const part = this.parts.get(open.key)
    if (part?.open === open) this.lose(part)
  }

  /** Ends it in good order. */
  end(): void {
    const wasOpen = this.state === 'open'
    if (!this.stop() || !wasOpen) return
    const response = makeResult(this.call.request.id, { resultType: 'complete', _meta: {} })
    const path = ['result', '_meta', metaKeys.subscriptionId] as const
    this.sink.onResponse(editMessage(response, [{ path: [...path], json: response.id ?? 'null' }]))
  }

  /** Ends it without a word, because the client is gone. */
  cancel(): void {
    this.stop()
  }

  private async open(): Promise<void> {
    this.asked = readFilter(paramsOf(this.call.request))
    const introductions = await this.connect()
    if (this.state === 'over') return
    const advertised = mergeCapabilities(introductions)
    const uris = [...this.parts.values()].flatMap(({ granted }) => [...(granted?.uris ?? [])])
    this.granted = {
      kinds: new Set([...this.asked.kinds].filter((kind) => isJsonObject(advertised[kind]))),
      uris: new Set(uris).intersection(this.asked.uris),
    }
    this.state = 'open'
    this.send(makeNotification(acknowledged, { notifications: writeFilter(this.granted) }))
    for (const notification of this.early.splice(0)) {
      this.announce(notification, changedList(notification))
    }
  }

  /**
   * Opens the streams that are missing, and waits until they are acknowledged, or for a deadline. A member that is late
   * does not keep the others waiting; who has not said what it is by then is given back without a hello.
   */
  private async connect(): Promise<readonly Introduction[]> {
    const owners = await this.ownersOf(this.soon())
    const signal = this.soon()
    const { requestId } = this.call
    const introductions = new Map<Member, Introduction>()
    const connecting = this.options.relays.visible().map(async (member) => {
      introductions.set(member, { member, hello: undefined })
      const introduction = await this.options.introduce(member, { requestId, signal })
      introductions.set(member, introduction)
      if (this.state !== 'over') await this.connectMember(introduction, owners)
    })
    await until(Promise.all(connecting), signal)
    return [...introductions.values()]
  }

  /** Fires when the client is gone, or has waited long enough. */
  private soon(): AbortSignal {
    const deadline = AbortSignal.timeout(this.options.config().listDeadlineMs)
    return AbortSignal.any([deadline, this.givenUp.signal])
  }

  private async ownersOf(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const owners = new Map<string, string>()
    const finding = [...this.asked.uris].map((uri) =>
      this.options.resources.memberOf(uri, this.call.requestId).then(
        (member) => owners.set(uri, keyOf(member)),
        () => undefined,
      ),
    )
    await until(Promise.all(finding), signal)
    return owners
  }

  private async connectMember(
    { member, hello }: Introduction,
    owners: ReadonlyMap<string, string>,
  ): Promise<void> {
    const key = keyOf(member)
    if (this.parts.has(key) || this.refused.has(key)) return
    // Nothing is known of it: it is asked again later, and does not hold anybody up.
    if (hello === undefined) return this.retryLater(key)
    const asked: SubscriptionFilter = {
      kinds: new Set(
        [...this.asked.kinds].filter((kind) => isJsonObject(hello.capabilities[kind])),
      ),
      uris: new Set([...this.asked.uris].filter((uri) => owners.get(uri) === key)),
    }
    if (asked.kinds.size + asked.uris.size === 0) return
    await Promise.try(() => this.openPart(member, asked)).catch(() => {
      this.parts.delete(key)
      this.retryLater(key)
    })
  }

  private openPart(member: Member, asked: SubscriptionFilter): Promise<void> {
    const { relays, profile } = this.options
    const { promise, resolve: settle } = Promise.withResolvers<void>()
    const open = relays.open(member)
    const part: Part = { open, asked, granted: undefined, running: undefined, settle }
    this.parts.set(open.key, part)
    const meta = metaFor(profile, objectAt(paramsOf(this.call.request), '_meta'))
    const params = { notifications: writeFilter(asked), _meta: meta }
    part.running = open.relay.request(
      {
        requestId: this.call.requestId,
        request: makeRequest(nextId(), this.call.request.method, params),
      },
      {
        onNotification: (notification) => this.take(part, notification),
        onRequest: ({ id }, respond) => respond(makeError(id, declined())),
        onResponse: ({ isError }) => {
          if (isError) this.refused.add(open.key)
          this.lose(part)
        },
        onFailure: () => this.lose(part),
      },
    )
    return promise
  }

  private take(part: Part, notification: RpcNotification): void {
    if (this.parts.get(part.open.key) !== part) return
    const kind = changedList(notification)
    if (notification.method === acknowledged) {
      part.granted = readGranted(paramsOf(notification))
      part.settle()
      // It comes late: what it has was missing from the lists.
      if (this.state === 'open') for (const late of part.granted.kinds) this.changes.add(late)
    } else if (kind !== undefined) {
      this.options.onListChanged(kind)
      if (part.asked.kinds.has(kind)) this.changes.add(kind)
    } else if (notification.method === 'notifications/resources/updated') {
      const uri = textIn(notification.bytes, ['params', 'uri'])
      if (uri !== undefined && part.asked.uris.has(uri)) this.announce(notification)
    }
  }

  /** Sends on what was asked for, and keeps it until the acknowledgement, which comes first, is out. */
  private announce(notification: RpcNotification, kind?: ChangeKind): void {
    if (this.state === 'opening' && this.early.length < earlyMax) this.early.push(notification)
    if (this.state !== 'open') return
    if (kind === undefined || this.granted.kinds.has(kind)) this.send(notification)
  }

  private send(notification: RpcNotification): void {
    const path: [string, ...string[]] = ['params', '_meta', metaKeys.subscriptionId]
    this.sink.onNotification(editMessage(notification, [{ path, json: this.call.request.id }]))
  }

  /** The stream of a member has ended; another one follows, unless it does not do this at all. */
  private lose(part: Part): void {
    const { key } = part.open
    if (this.parts.get(key) !== part) return
    this.parts.delete(key)
    part.settle()
    if (!this.refused.has(key)) this.retryLater(key)
  }

  private drop(part: Part): void {
    this.parts.delete(part.open.key)
    part.settle()
    part.running?.cancel()
  }

  private retryLater(key: string): void {
    if (this.state !== 'over') this.retries.schedule(key, () => this.reconnect())
  }

  private reconnect(): void {
    if (this.state !== 'over') this.connect().catch(() => {})
  }

  /** Says whether it was not over yet. */
  private stop(): boolean {
    if (this.state === 'over') return false
    this.state = 'over'
    this.onOver(this)
    this.givenUp.abort()
    this.changes[Symbol.dispose]()
    this.retries[Symbol.dispose]()
    for (const part of this.parts.values()) this.drop(part)
    return true
  }
}

/** Waits for `work`, but no longer than until the signal fires. Never rejects for that. */
async function until(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = (): void => resolve()
  signal.addEventListener('abort', stop, { once: true })
  await Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', stop))
}

function declined(): RpcError {
  return new RpcError(rpcCodes.methodNotFound, 'Nobody can be asked on this stream.')
}
