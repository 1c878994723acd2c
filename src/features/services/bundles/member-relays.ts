import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { ClientProfile, Relay } from '../relay/relay.ts'
import { keyOf, type Member } from './member.ts'

/** A member with the relay of this client to it. */
export interface OpenMember {
  readonly key: string
  readonly member: Member
  readonly relay: Relay
}

/** The relays of one client to the members of a bundle, opened when they are needed and closed with it. */
export interface MemberRelays extends AsyncDisposable {
  /** The members that this client may use, in their order. */
  visible(): readonly Member[]
  /** A visible member by its key. */
  find(key: string): Member | undefined
  /** The relay to a member, opened if need be: also when the last one is lost. Throws what opening throws. */
  open(member: Member): OpenMember
  /** Those that are open. */
  opened(): readonly OpenMember[]
  /** Closes the relays of members that the bundle no longer has. */
  closeOthers(): void
}

/** What the relays of a client are made of. */
export interface MemberRelaysOptions {
  readonly members: () => readonly Member[]
  readonly profile: ClientProfile
  readonly log: Log
  /** A relay was opened, the first one to that member or another one. */
  readonly onOpen: (open: OpenMember) => void
  /** A relay is of no use any more and is about to be closed. */
  readonly onGone: (open: OpenMember) => void
}

/** Creates the relays of a client; none is open. */
export function createMemberRelays(options: MemberRelaysOptions): MemberRelays {
  const { profile, log, onOpen, onGone } = options
  const relays = new Map<string, OpenMember>()
  const closing = new Set<Promise<void>>()
  let isEnding = false

  const isVisible = ({ endpoint }: Member): boolean => profile.caller.allowsService(endpoint.name)

  function visible(): readonly Member[] {
    return options.members().filter(isVisible)
  }

  function open(member: Member): OpenMember {
    const key = keyOf(member)
    const known = relays.get(key)
    if (known !== undefined) return known
    if (isEnding) throw new AppError('session_not_found', 'The client is gone.')
    const opened: OpenMember = { key, member, relay: member.endpoint.open(profile) }
    relays.set(key, opened)
    opened.relay.lost.then(
      () => drop(opened),
      () => {},
    )
    onOpen(opened)
    return opened
  }

  function drop(opened: OpenMember): void {
    if (isEnding || relays.get(opened.key) !== opened) return
    relays.delete(opened.key)
    // Calls under way may be about to fail by themselves, and know better why.
    const failed = new Promise((resolve) => {
      setImmediate(resolve)
    }).then(() => {
      if (!isEnding) onGone(opened)
    })
    close(opened, failed)
  }

  function close({ member, relay }: OpenMember, first?: Promise<unknown>): void {
    const closed = Promise.resolve(first)
      .then(() => relay[Symbol.asyncDispose]())
      .catch((err: unknown) => {
        log.warn({ err, service: member.endpoint.name }, 'a relay to a service was not closed well')
      })
    closing.add(closed)
    void closed.finally(() => closing.delete(closed))
  }

  return {
    visible,
    find: (key) => options.members().find((member) => keyOf(member) === key && isVisible(member)),
    open,
    opened: () => [...relays.values()],
    closeOthers() {
      const wanted = new Set(visible().map(keyOf))
      for (const opened of relays.values()) if (!wanted.has(opened.key)) drop(opened)
    },
    async [Symbol.asyncDispose]() {
      isEnding = true
      for (const opened of relays.values()) close(opened)
      relays.clear()
      await Promise.all(closing)
    },
  }
}
