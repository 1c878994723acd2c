import type { Clock } from '../../../lib/clock.ts'
import type { ConnectionListener } from '../upstream/connection.ts'
import {
  changedList,
  createListChanges,
  makeListChanged,
  type ChangeKind,
  type ListChanges,
} from './list-changes.ts'
import { labelLog } from './log-label.ts'
import type { MemberRelays, OpenMember } from './member-relays.ts'
import { keyOf, type Member } from './member.ts'
import { createRetries, type Retries } from './retries.ts'

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

/** What the members of a legacy client send that belongs to no call, as if it came from one server. */
export class Listening implements Disposable {
  private readonly options: ListeningOptions
  private readonly listeners = new Set<ConnectionListener>()
  private readonly stops = new Map<OpenMember, () => void>()
  private readonly retries: Retries
  private readonly changes: ListChanges

  constructor(options: ListeningOptions) {
    this.options = options
    this.retries = createRetries(options.clock)
    this.changes = createListChanges((kind) => {
      for (const listener of this.listeners) listener.onNotification(makeListChanged(kind))
    })
  }

  /** Takes everything from now on, of members that are opened later too. Returns the function that ends it. */
  listen(listener: ConnectionListener): () => void {
    this.listeners.add(listener)
    this.openAll()
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size === 0) this.stopAll()
    }
  }

  /** A relay was opened. */
  attach(open: OpenMember): void {
    if (this.listeners.size === 0 || this.stops.has(open)) return
    this.stops.set(open, open.relay.listen(this.listenerFor(open.member)))
  }

  /** A relay is gone. One to the same member follows as long as somebody listens. */
  detach(gone: OpenMember): void {
    this.stops.get(gone)?.()
    this.stops.delete(gone)
    this.retries.schedule(gone.key, () => this.reopen(gone.key))
  }

  /** Lists of these kinds may be different from now on; the members too. */
  changed(kinds: readonly ChangeKind[]): void {
    for (const kind of kinds) this.changes.add(kind)
    this.openAll()
  }

  [Symbol.dispose](): void {
    this.changes[Symbol.dispose]()
    this.retries[Symbol.dispose]()
    this.stopAll()
    this.listeners.clear()
  }

  private listenerFor(member: Member): ConnectionListener {
    return {
      onNotification: (notification) => {
        const kind = changedList(notification)
        if (kind !== undefined) {
          this.options.onListChanged(kind)
          this.changes.add(kind)
          return
        }
        const labelled = labelLog(member, notification)
        for (const listener of this.listeners) listener.onNotification(labelled)
      },
      // A client has one stream for this; where it has opened another one, that counts.
      onRequest: (request, respond) => [...this.listeners].at(-1)?.onRequest(request, respond),
    }
  }

  private openAll(): void {
    if (this.listeners.size === 0) return
    for (const member of this.options.relays().visible()) this.reopen(keyOf(member))
  }

  private reopen(key: string): void {
    const relays = this.options.relays()
    const member = relays.find(key)
    const isWanted = this.listeners.size > 0 || this.options.isHeld(key)
    if (member === undefined || !isWanted) return
    Promise.try(() => this.attach(relays.open(member))).catch(() => {
      this.retries.schedule(key, () => this.reopen(key))
    })
  }

  private stopAll(): void {
    for (const stop of this.stops.values()) stop()
    this.stops.clear()
  }
}
