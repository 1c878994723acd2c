import type { Clock } from '../../../lib/clock.ts'
import type { ConnectionListener } from '../upstream/connection.ts'
import { changedList, createListChanges, makeListChanged, type ChangeKind } from './list-changes.ts'
import { labelLog } from './log-label.ts'
import type { MemberRelays, OpenMember } from './member-relays.ts'
import { keyOf, type Member } from './member.ts'
import { createRetries } from './retries.ts'

/** What the members of a legacy client send that belongs to no call, as if it came from one server. */
export interface Listening extends Disposable {
  /** Takes everything from now on, of members that are opened later too. Returns the function that ends it. */
  listen(listener: ConnectionListener): () => void
  /** A relay was opened. */
  attach(open: OpenMember): void
  /** A relay is gone. One to the same member follows as long as somebody listens. */
  detach(gone: OpenMember): void
  /** Lists of these kinds may be different from now on; the members too. */
  changed(kinds: readonly ChangeKind[]): void
}

/** What listening is made of. */
export interface ListeningOptions {
  readonly clock: Clock
  /** Asked when they are needed: they come to be together with this. */
  readonly relays: () => MemberRelays
  /** A member says that a list of its own has changed. */
  readonly onListChanged: (kind: ChangeKind) => void
  /** Says whether a member has to be kept open although nobody listens. */
  readonly isHeld: (key: string) => boolean
}

/** Creates the listening of one client, who does not listen yet. */
export function createListening(options: ListeningOptions): Listening {
  const { relays, onListChanged, isHeld } = options
  const listeners = new Set<ConnectionListener>()
  const stops = new Map<OpenMember, () => void>()
  const retries = createRetries(options.clock)
  const changes = createListChanges((kind) => {
    for (const listener of listeners) listener.onNotification(makeListChanged(kind))
  })

  function attach(open: OpenMember): void {
    if (listeners.size === 0 || stops.has(open)) return
    stops.set(open, open.relay.listen(listenerFor(open.member)))
  }

  function listenerFor(member: Member): ConnectionListener {
    return {
      onNotification(notification) {
        const kind = changedList(notification)
        if (kind === undefined) {
          const labelled = labelLog(member, notification)
          for (const listener of listeners) listener.onNotification(labelled)
        } else {
          onListChanged(kind)
          changes.add(kind)
        }
      },
      // A client has one stream for this; where it has opened another one, that counts.
      onRequest: (request, respond) => [...listeners].at(-1)?.onRequest(request, respond),
    }
  }

  function openAll(): void {
    if (listeners.size === 0) return
    for (const member of relays().visible()) reopen(keyOf(member))
  }

  function reopen(key: string): void {
    const member = relays().find(key)
    if (member === undefined || (listeners.size === 0 && !isHeld(key))) return
    Promise.try(() => attach(relays().open(member))).catch(() => {
      retries.schedule(key, () => reopen(key))
    })
  }

  return {
    attach,
    detach(gone) {
      stops.get(gone)?.()
      stops.delete(gone)
      retries.schedule(gone.key, () => reopen(gone.key))
    },
    listen(listener) {
      listeners.add(listener)
      openAll()
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        for (const stop of stops.values()) stop()
        stops.clear()
      }
    },
    changed(kinds) {
      for (const kind of kinds) changes.add(kind)
      openAll()
    },
    [Symbol.dispose]() {
      changes[Symbol.dispose]()
      retries[Symbol.dispose]()
      for (const stop of stops.values()) stop()
      stops.clear()
      listeners.clear()
    },
  }
}
