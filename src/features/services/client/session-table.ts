import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint } from '../relay/relay.ts'
import type { McpFrontConfig } from './front-dependencies.ts'
import type { Introduction } from './introduction.ts'
import { sessionNotFound } from './rpc-answer.ts'
import { Session } from './session.ts'
import { openSessionId, sealSessionId, type SealedSession } from './session-id.ts'
import type { Swept } from './sweep.ts'

/** What the table is handed. */
export interface SessionTableDependencies {
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
}

/** An id outlives the session in memory by as much as a client may be away from a gateway that was restarted. */
const sealedMsMin = 7 * 24 * 60 * 60_000
const endedMax = 20_000
const replayBytesTotalMax = 256 * 1024 * 1024
/** How many of the longest idle are looked at for one that has nothing under way. */
const candidatesMax = 64

/** The legacy sessions in memory. Disposing of it ends all of them; they can be taken up again by their ids. */
export class SessionTable implements Swept, AsyncDisposable {
  readonly #dependencies: SessionTableDependencies
  readonly #config: Live<McpFrontConfig>
  /** By the value of their header, in the order of their last use. */
  readonly #sessions = new Map<string, Session>()
  readonly #perKey = new Map<string, number>()
  /** Short ids of sessions that are over for good, although their sealed ids would open. */
  readonly #ended = new Set<string>()
  readonly #pool = { bytesMax: replayBytesTotalMax, bytes: 0 }
  readonly #closing = new Set<Promise<void>>()

  constructor(dependencies: SessionTableDependencies, config: Live<McpFrontConfig>) {
    this.#dependencies = dependencies
    this.#config = config
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Bytes kept so that streams can be resumed. */
  get replayBytes(): number {
    return this.#pool.bytes
  }

  all(): Iterable<Session> {
    return this.#sessions.values()
  }

  /** Begins a session. Beyond the bounds, the one that has been idle longest makes room; it is taken up again when it is asked for. */
  begin(endpoint: Endpoint, caller: Caller, introduction: Introduction): Session {
    const { clock, secretBox } = this.#dependencies
    const sealed = {
      id: randomBytes(16).toString('base64url'),
      keyId: caller.keyId,
      endpointId: endpoint.id,
      ...introduction,
      expiresAt: clock.now() + Math.max(sealedMsMin, this.#config().sessionIdleMs),
    }
    return this.#add(sealSessionId(secretBox, sealed), sealed, { endpoint, caller })
  }

  /** The session of an id, taken up again where this process does not have it. Throws `RpcRefusal` 404 where there is none for this caller and endpoint. */
  find(text: string, caller: Caller, endpoint: Endpoint): Session {
    const owner = { endpoint, caller }
    const known = this.#sessions.get(text)
    if (known === undefined) return this.#revive(text, owner)
    if (!isOf({ endpointId: known.endpointId, keyId: known.caller.keyId }, owner)) {
      throw sessionNotFound()
    }
    known.touch()
    this.#sessions.delete(text)
    this.#sessions.set(text, known)
    return known
  }

  /** Ends a session for good. */
  end(session: Session): void {
    const [oldest] = this.#ended
    if (this.#ended.size >= endedMax && oldest !== undefined) this.#ended.delete(oldest)
    this.#ended.add(session.id)
    this.#forget(session)
  }

  /** Ends the streams that wait for nothing in particular; what is being answered goes on. */
  drain(): void {
    for (const session of this.#sessions.values()) session.drain()
  }

  sweep(now: number): void {
    const { keepAliveMs, sessionIdleMs } = this.#config()
    for (const session of this.#sessions.values()) {
      if (session.isBusy) {
        if (!session.caller.isUsable()) this.#forget(session)
      } else if (now - session.usedAt > sessionIdleMs) this.end(session)
      session.sweep(now, keepAliveMs)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) this.#forget(session)
    await Promise.all(this.#closing)
  }

  #revive(text: string, owner: Owner): Session {
    const { clock, secretBox } = this.#dependencies
    const sealed = openSessionId(secretBox, text)
    if (sealed === undefined || !isOf(sealed, owner)) throw sessionNotFound()
    if (this.#ended.has(sealed.id) || sealed.expiresAt <= clock.now()) throw sessionNotFound()
    return this.#add(text, sealed, owner)
  }

  #add(text: string, sealed: SealedSession, { endpoint, caller }: Owner): Session {
    this.#makeRoom(caller.keyId)
    const { id, protocolVersion, capabilities, clientInfo } = sealed
    const introduction = { protocolVersion, capabilities, clientInfo }
    const relay = endpoint.open({ era: 'legacy', caller, sessionId: id, ...introduction })
    const session = new Session({
      text,
      id,
      endpointId: endpoint.id,
      protocolVersion,
      caller,
      relay,
      pool: this.#pool,
      replayBytesMax: this.#config().replayBytesMax,
      clock: this.#dependencies.clock,
    })
    this.#sessions.set(text, session)
    this.#count(caller.keyId, 1)
    void relay.lost.then(() => {
      if (this.#sessions.get(text) === session) this.end(session)
    })
    return session
  }

  #makeRoom(keyId: string): void {
    const { sessionsMax, sessionsPerKeyMax } = this.#config()
    if ((this.#perKey.get(keyId) ?? 0) >= sessionsPerKeyMax) {
      this.#forgetIdle(this.#sessions.values().filter(({ caller }) => caller.keyId === keyId))
    }
    if (this.#sessions.size >= sessionsMax) this.#forgetIdle(this.#sessions.values())
  }

  #forgetIdle(oldestFirst: IteratorObject<Session>): void {
    const candidates = oldestFirst.take(candidatesMax).toArray()
    const session = candidates.find(({ isBusy }) => !isBusy) ?? candidates[0]
    if (session !== undefined) this.#forget(session)
  }

  #forget(session: Session): void {
    if (!this.#sessions.delete(session.text)) return
    this.#count(session.caller.keyId, -1)
    const { log } = this.#dependencies
    const closed = session
      .end()
      .catch((err: unknown) => log.warn({ err }, 'an MCP session did not end in good order'))
      .finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  #count(keyId: string, change: 1 | -1): void {
    const count = (this.#perKey.get(keyId) ?? 0) + change
    if (count === 0) this.#perKey.delete(keyId)
    else this.#perKey.set(keyId, count)
  }
}

interface Owner {
  readonly endpoint: Endpoint
  readonly caller: Caller
}

function isOf(
  session: { readonly endpointId: string; readonly keyId: string },
  { endpoint, caller }: Owner,
): boolean {
  return session.endpointId === endpoint.id && session.keyId === caller.keyId
}
