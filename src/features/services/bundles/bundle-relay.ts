import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientProfile, Relay } from '../relay/relay.ts'
import type { Bundle } from '../service.ts'
import type { RpcNotification } from '../wire/rpc-message.ts'
import type { BundleDependencies } from './bundle-dependencies.ts'
import { createBundleLists } from './bundle-lists.ts'
import type { BundleMemory } from './bundle-memory.ts'
import { createBundleMethods } from './bundle-methods.ts'
import { createCalls } from './calls.ts'
import { createClientState } from './client-state.ts'
import { rawAt } from './json-reading.ts'
import { changeKinds, type ChangeKind } from './list-changes.ts'
import { createListening } from './listening.ts'
import { askHello, askHellos } from './member-hellos.ts'
import { createMemberRelays, type OpenMember } from './member-relays.ts'
import { createResourceRoutes } from './resource-routes.ts'
import { createSubscriptions } from './subscriptions.ts'

/** What the relay of one client to a bundle is made of. */
export interface BundleRelayOptions {
  readonly deps: BundleDependencies
  readonly bundle: Bundle
  readonly memory: BundleMemory
  readonly profile: ClientProfile
}

/**
 * Creates the relay of one client to all members of a bundle. It is never lost: the relay to a member that is lost is
 * replaced when that member is needed next, and told again what the client had said.
 */
export function createBundleRelay({ deps, bundle, memory, profile }: BundleRelayOptions): Relay {
  const { clock, log, config } = deps
  const ending = new AbortController()
  const state = createClientState()
  const relays = createMemberRelays({ members: deps.members, profile, log, onOpen, onGone })
  const hellos = { relays, memory, profile }
  const listening = createListening({
    clock,
    relays: () => relays,
    onListChanged: forget,
    isHeld: state.holds,
  })
  const calls = createCalls(relays)
  const lists = createBundleLists({
    ...{ relays, memory, profile, clock, log, config },
    naming: bundle.settings.naming,
    revision: deps.revision,
    ending: ending.signal,
  })
  const resources = createResourceRoutes({
    ...{ lists, relays, profile },
    introductions: (requestId) => askHellos(hellos, { requestId, signal: soon() }),
  })
  const subscriptions = createSubscriptions({
    ...{ relays, resources, profile, clock, config },
    introduce: (member, reason) => askHello(hellos, member, reason),
    onListChanged: forget,
  })
  const methods = createBundleMethods({
    ...{ bundle, profile, relays, lists, resources, state, sealer: deps.sealer },
    introductions: (reason) =>
      askHellos(hellos, { ...reason, signal: AbortSignal.any([reason.signal, soon()]) }),
  })
  const unsubscribe = deps.onMembersChanged((kinds = changeKinds) => {
    relays.closeOthers()
    listening.changed(kinds)
    subscriptions.changed(kinds)
  })

  function soon(): AbortSignal {
    return AbortSignal.any([ending.signal, AbortSignal.timeout(config().listDeadlineMs)])
  }

  function onOpen(open: OpenMember): void {
    state.tell(open)
    listening.attach(open)
  }

  function onGone(gone: OpenMember): void {
    calls.failThose(gone)
    listening.detach(gone)
    subscriptions.gone(gone)
  }

  function forget(kind: ChangeKind): void {
    memory.forget(profile, listsOf(kind))
  }

  function notify(notification: RpcNotification): void {
    if (notification.method === 'notifications/cancelled') {
      subscriptions.cancelNamed(rawAt(notification.bytes, ['params', 'requestId'])?.toString())
      calls.cancelNamed(notification)
      return
    }
    state.note(notification)
    const opened = relays.opened()
    // Which member a notification of any other kind is meant for cannot be told.
    if (isForAll(notification) || opened.length === 1) {
      for (const { relay } of opened) relay.notify(notification)
    }
  }

  return {
    request(call, sink) {
      if (call.request.method === 'subscriptions/listen' && profile.era === 'modern') {
        return subscriptions.start(call, sink)
      }
      return calls.start(call, sink, (signal) => methods.perform(call, signal))
    },
    notify,
    listen: listening.listen,
    lost: new Promise(() => {}),
    async [Symbol.asyncDispose]() {
      unsubscribe()
      subscriptions.endAll()
      calls.cancelAll()
      ending.abort()
      listening[Symbol.dispose]()
      await relays[Symbol.asyncDispose]()
    },
  }
}

function listsOf(kind: ChangeKind): readonly ListKind[] {
  return kind === 'resources' ? ['resources', 'templates'] : [kind]
}

function isForAll({ method }: RpcNotification): boolean {
  return method === 'notifications/initialized' || method === 'notifications/roots/list_changed'
}
