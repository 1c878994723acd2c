import type { ClientCall } from '../relay/relay.ts'
import type { CallSink, RunningCall } from '../upstream/connection.ts'
import type { ChangeKind } from './list-changes.ts'
import type { OpenMember } from './member-relays.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'

/** All `subscriptions/listen` of one client that are open. */
export interface Subscriptions {
  start(call: ClientCall, sink: CallSink): RunningCall
  /** Members have come or gone, or their lists have changed. */
  changed(kinds: readonly ChangeKind[]): void
  gone(open: OpenMember): void
  /** Ends the one with this request id without a word. */
  cancelNamed(id: string | undefined): void
  /** Ends all of them in good order. */
  endAll(): void
}

/** Creates the subscriptions of a client, who has none. */
export function createSubscriptions(options: SubscriptionOptions): Subscriptions {
  const open = new Set<Subscription>()

  return {
    start(call, sink) {
      const onOver = (ended: Subscription): void => void open.delete(ended)
      const subscription = new Subscription(options, { call, sink, onOver })
      open.add(subscription)
      return { cancel: () => subscription.cancel() }
    },
    changed(kinds) {
      for (const subscription of open) subscription.changed(kinds)
    },
    gone(member) {
      for (const subscription of open) subscription.gone(member)
    },
    cancelNamed(id) {
      for (const subscription of open) {
        if (subscription.hasId(id)) subscription.cancel()
      }
    },
    endAll() {
      for (const subscription of open) subscription.end()
    },
  }
}
