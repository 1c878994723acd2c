import type { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint, Relay } from '../relay/relay.ts'
import type { CallSink, ConnectionListener, Respond, RunningCall } from '../upstream/connection.ts'
import type { Channel } from '../wire/channel.ts'
import {
  makeError,
  paramsOf,
  parseMessage,
  type IdText,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { ActiveCalls } from './active-calls.ts'
import { attempt } from './attempt.ts'
import { beginsArray } from './batch-bytes.ts'
import { cannotBeAsked, readBatch, runBatch } from './batch-call.ts'
import {
  claimsModern,
  mayHaveEnvelope,
  readEnvelope,
  readParts,
  type RequestParts,
} from './envelope.ts'
import { isForeseen } from './front-parts.ts'
import { noIntroduction, readIntroduction } from './introduction.ts'
import { requireCallRoom } from './call-room.ts'
import { Questions } from './questions.ts'
import { toErrorAnswer } from './rpc-answer.ts'

/** What a client on a channel is served with. */
export interface ChannelParts {
  readonly channel: Channel
  readonly endpoint: Endpoint
  readonly caller: Caller
  /** Our id of the connection; it is the id of the session as well. */
  readonly id: string
  /** Closes and counts relays. */
  readonly active: ActiveCalls
  readonly log: Log
  /** The server lost what it kept for the client. */
  readonly onLost: () => void
}

/**
 * One client on a channel of its own: HTTP+SSE or WebSocket. The channel is one legacy session, begun by `initialize` or,
 * where that is missing, by whatever comes first; requests of revision 2026-07-28 on it stand for themselves.
 */
export class ChannelSession implements ConnectionListener {
  readonly #parts: ChannelParts
  readonly #questions = new Questions()
  readonly #modern = new Map<IdText, ModernChannelCall>()
  #relay: Relay | undefined
  #unlisten: (() => void) | undefined
  #running = 0
  #isOver = false

  constructor(parts: ChannelParts) {
    this.#parts = parts
  }

  /** Calls under way. */
  get running(): number {
    return this.#running + this.#modern.size
  }

  /** Serves the channel until it closes. */
  async run(): Promise<void> {
    const { channel } = this.#parts
    channel.receive((bytes) => this.#receive(bytes))
    await channel.closed
    this.#isOver = true
    this.#unlisten?.()
    for (const call of this.#modern.values()) call.cancel()
    if (this.#relay !== undefined) this.#parts.active.close(this.#relay)
    this.#relay = undefined
  }

  onNotification({ bytes }: RpcNotification): void {
    this.send(bytes)
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    this.send(this.#questions.ask(request, respond).bytes)
  }

  /** The channel bounds what waits for a slow client, so nobody has to wait here. */
  send(bytes: Buffer): void {
    void this.#parts.channel.send(bytes)
  }

  sendFailure(id: IdText | null, failure: unknown): void {
    const { error } = toErrorAnswer(failure, this.#parts.id)
    this.send(makeError(id, error).bytes)
  }

  callEnded(): void {
    this.#running -= 1
  }

  modernEnded(id: IdText): void {
    this.#modern.delete(id)
  }

  #receive(bytes: Buffer): void {
    // What arrives late has nobody to answer to, and would open what nobody closes.
    if (this.#isOver) return
    const served = attempt(() =>
      beginsArray(bytes) ? this.#serveBatch(bytes) : this.#serve(parseMessage(bytes)),
    )
    if (served.isOk) return
    if (!isForeseen(served.error)) {
      this.#parts.log.error({ err: served.error, id: this.#parts.id }, 'MCP message failed')
    }
    this.sendFailure(null, served.error)
  }

  #serve(message: RpcMessage): void {
    if (message.kind === 'response') return this.#questions.answer(message)
    const parts = mayHaveEnvelope(message) ? readParts(message) : undefined
    const isModern = parts !== undefined && claimsModern(message.method, parts)
    if (message.kind === 'notification') {
      if (!this.#cancelModern(message) && !isModern) this.#relayFor(undefined).notify(message)
      return
    }
    const started = attempt(() => {
      requireCallRoom(this.running)
      return isModern ? this.#startModern(message, parts) : this.#start(message)
    })
    if (!started.isOk) this.sendFailure(message.id, started.error)
  }

  /** Gives up a request that stands for itself. Returns false where the notification means none of these. */
  #cancelModern(notification: RpcNotification): boolean {
    if (notification.method !== 'notifications/cancelled' || this.#modern.size === 0) return false
    const { requestId } = paramsOf(notification)
    const call = this.#modern.get(JSON.stringify(requestId) ?? '')
    call?.cancel()
    return call !== undefined
  }

  #start(request: RpcRequest): void {
    const relay = this.#relayFor(request.method === 'initialize' ? request : undefined)
    this.#running += 1
    relay.request({ request, requestId: this.#parts.id }, new ChannelCall(this, request.id))
  }

  #startModern(request: RpcRequest, parts: RequestParts): void {
    const introduction = readEnvelope(parts, undefined)
    const { caller, endpoint, active, id } = this.#parts
    const relay = endpoint.open({ era: 'modern', caller, sessionId: undefined, ...introduction })
    const call = new ModernChannelCall(this, { request, relay, active })
    this.#modern.get(request.id)?.cancel()
    this.#modern.set(request.id, call)
    call.start(id)
  }

  #serveBatch(bytes: Buffer): void {
    const elements = readBatch(bytes)
    const first = elements.find((one) => one.kind === 'request' && one.method === 'initialize')
    this.#running += 1
    runBatch(
      elements,
      {
        relay: this.#relayFor(first?.kind === 'request' ? first : undefined),
        requestId: this.#parts.id,
        answer: (response) => this.#questions.answer(response),
        listener: this,
      },
      (answers) => {
        this.#running -= 1
        if (answers !== undefined) this.send(answers)
      },
    )
  }

  /** The relay of the session, opened by the first message. */
  #relayFor(initialize: RpcRequest | undefined): Relay {
    if (this.#relay !== undefined) return this.#relay
    const { endpoint, caller, id, onLost } = this.#parts
    const introduction = initialize === undefined ? noIntroduction : readIntroduction(initialize)
    const sessionId = initialize === undefined ? undefined : id
    const relay = endpoint.open({ era: 'legacy', caller, sessionId, ...introduction })
    this.#relay = relay
    this.#unlisten = relay.listen(this)
    void relay.lost.then(onLost)
    return relay
  }
}

class ChannelCall implements CallSink {
  readonly #session: ChannelSession
  readonly #id: IdText

  constructor(session: ChannelSession, id: IdText) {
    this.#session = session
    this.#id = id
  }

  onNotification({ bytes }: RpcNotification): void {
    this.#session.send(bytes)
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    this.#session.onRequest(request, respond)
  }

  onResponse({ bytes }: RpcResponse): void {
    this.#session.callEnded()
    this.#session.send(bytes)
  }

  onFailure(error: AppError): void {
    this.#session.callEnded()
    this.#session.sendFailure(this.#id, error)
  }
}

interface ModernParts {
  readonly request: RpcRequest
  readonly relay: Relay
  readonly active: ActiveCalls
}

class ModernChannelCall implements CallSink {
  readonly #session: ChannelSession
  readonly #parts: ModernParts
  #running: RunningCall | undefined
  #isDone = false

  constructor(session: ChannelSession, parts: ModernParts) {
    this.#session = session
    this.#parts = parts
  }

  start(requestId: string): void {
    const { request, relay } = this.#parts
    this.#running = relay.request({ request, requestId }, this)
  }

  cancel(): void {
    if (this.#isDone) return
    this.#running?.cancel()
    this.#end()
  }

  onNotification({ bytes }: RpcNotification): void {
    this.#session.send(bytes)
  }

  /** Never happens: this revision knows no requests of servers. */
  onRequest(request: RpcRequest, respond: Respond): void {
    respond(cannotBeAsked(request))
  }

  onResponse({ bytes }: RpcResponse): void {
    this.#end()
    this.#session.send(bytes)
  }

  onFailure(error: AppError): void {
    this.#end()
    this.#session.sendFailure(this.#parts.request.id, error)
  }

  #end(): void {
    this.#isDone = true
    this.#session.modernEnded(this.#parts.request.id)
    this.#parts.active.close(this.#parts.relay)
  }
}
