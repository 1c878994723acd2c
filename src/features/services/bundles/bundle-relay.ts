import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientCall, ClientProfile, Relay } from '../relay/relay.ts'
import type { Bundle } from '../service.ts'
import type { CallSink, ConnectionListener, RunningCall } from '../upstream/connection.ts'
import type { RpcNotification } from '../wire/rpc-message.ts'
import type { BundleDependencies } from './bundle-dependencies.ts'
import { BundleLists } from './bundle-lists.ts'
import type { BundleMemory } from './bundle-memory.ts'
import { createBundleMethods, type BundleMethods } from './bundle-methods.ts'
import { Calls } from './calls.ts'
import { createClientState } from './client-state.ts'
import { rawAt } from './json-reading.ts'
import { changeKinds, type ChangeKind } from './list-changes.ts'
import { Listening } from './listening.ts'
import { askHello, askHellos } from './member-hellos.ts'
import { createMemberRelays, type MemberRelays, type OpenMember } from './member-relays.ts'
import { createResourceRoutes } from './resource-routes.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'

/** What the relay of one client to a bundle is made of. */
export interface BundleRelayOptions {
  readonly deps: BundleDependencies
  readonly bundle: Bundle
  readonly memory: BundleMemory
  readonly profile: ClientProfile
}

/**
 * The relay of one client to all members of a bundle. It is never lost: the relay to a member that is lost is replaced
 * when that member is needed next, and told again what the client had said.
 */
export class BundleRelay implements Relay {
  readonly lost = new Promise<void>(() => {})
  private readonly options: BundleRelayOptions
  private readonly ending = new AbortController()
  private readonly state = createClientState()
  private readonly relays: MemberRelays
  private readonly listening: Listening
  private readonly calls: Calls
  private readonly subscriptions: Subscriptions
  private readonly methods: BundleMethods
  private readonly unsubscribe: () => void

  constructor(options: BundleRelayOptions) {
    this.options = options
    const { deps, memory, profile } = options
    const { clock, log } = deps
    const onListChanged = (kind: ChangeKind): void => memory.forget(profile, listsOf(kind))
    this.relays = createMemberRelays({
      members: () => deps.members(),
      profile,
      log,
      onOpen: (open) => this.onOpen(open),
      onGone: (gone) => this.onGone(gone),
    })
    this.listening = new Listening({
      clock,
      relays: () => this.relays,
      onListChanged,
      isHeld: (key) => this.state.holds(key),
    })
    this.calls = new Calls(this.relays)
    const parts = this.createParts(onListChanged)
    this.methods = parts.methods
    this.subscriptions = parts.subscriptions
    this.unsubscribe = deps.onMembersChanged((kinds) => this.onMembersChanged(kinds))
  }

  request(call: ClientCall, sink: CallSink): RunningCall {
    const { method } = call.request
    if (method === 'subscriptions/listen' && this.options.profile.era === 'modern') {
      return this.subscriptions.start(call, sink)
    }
    return this.calls.start(call, sink, (signal) => this.methods.perform(call, signal))
  }

  notify(notification: RpcNotification): void {
    if (notification.method === 'notifications/cancelled') {
      const id = rawAt(notification.bytes, ['params', 'requestId'])?.toString()
      this.subscriptions.cancelNamed(id)
      this.calls.cancelNamed(notification)
      return
    }
    this.state.note(notification)
    const opened = this.relays.opened()
    // Which member a notification of any other kind is meant for cannot be told.
    if (isForAll(notification) || opened.length === 1) {
      for (const { relay } of opened) relay.notify(notification)
    }
  }

  listen(listener: ConnectionListener): () => void {
    return this.listening.listen(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unsubscribe()
    this.subscriptions.endAll()
    this.calls.cancelAll()
    this.ending.abort()
    this.listening[Symbol.dispose]()
    await this.relays[Symbol.asyncDispose]()
  }

  private createParts(onListChanged: (kind: ChangeKind) => void) {
    const { deps, bundle, memory, profile } = this.options
    const { clock, config, sealer } = deps
    const { relays, state } = this
    const hellos = { relays, memory, profile }
    const lists = new BundleLists({
      deps,
      relays,
      memory,
      profile,
      naming: bundle.settings.naming,
      ending: this.ending.signal,
    })
    const resources = createResourceRoutes({
      lists,
      relays,
      profile,
      introductions: (requestId) => askHellos(hellos, { requestId, signal: this.soon() }),
    })
    const methods = createBundleMethods({
      bundle,
      profile,
      relays,
      lists,
      resources,
      state,
      sealer,
      introductions: (reason) => {
        const signal = AbortSignal.any([reason.signal, this.soon()])
        return askHellos(hellos, { ...reason, signal })
      },
    })
    const subscriptions = createSubscriptions({
      relays,
      resources,
      profile,
      clock,
      config,
      introduce: (member, reason) => askHello(hellos, member, reason),
      onListChanged,
    })
    return { methods, subscriptions }
  }

  /** Fires when the client is gone, or has waited long enough for the members. */
  private soon(): AbortSignal {
    const deadline = AbortSignal.timeout(this.options.deps.config().listDeadlineMs)
    return AbortSignal.any([this.ending.signal, deadline])
  }

  private onOpen(open: OpenMember): void {
    this.state.tell(open)
    this.listening.attach(open)
  }

  private onGone(gone: OpenMember): void {
    this.calls.failThose(gone)
    this.listening.detach(gone)
    this.subscriptions.gone(gone)
  }

  private onMembersChanged(kinds: readonly ChangeKind[] = changeKinds): void {
    this.relays.closeOthers()
    this.listening.changed(kinds)
    this.subscriptions.changed(kinds)
  }
}

function listsOf(kind: ChangeKind): readonly ListKind[] {
  return kind === 'resources' ? ['resources', 'templates'] : [kind]
}

function isForAll({ method }: RpcNotification): boolean {
  return method === 'notifications/initialized' || method === 'notifications/roots/list_changed'
}
