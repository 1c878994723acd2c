import type { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { CallSink, Respond } from '../upstream/connection.ts'
import {
  makeError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { cannotBeAsked } from './batch-call.ts'
import type { ResumableStream } from './resumable-stream.ts'
import { refuseRpc, sendJson, sessionNotFound, toErrorAnswer } from './rpc-answer.ts'
import type { Session, SessionWork } from './session.ts'

/** Silence after which an answer becomes a stream, so that its first byte does not wait for the last. */
export const silenceMs = 250

/** How a request of a session is to be answered. */
export interface SessionCallOptions {
  /** Whether the answer may be a stream. */
  readonly mayStream: boolean
  /** For `initialize`: what its answer carries, and what undoes the session where it fails. */
  readonly handshake?: { readonly headers: readonly string[]; readonly fail: () => void }
}

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'streaming'; readonly stream: ResumableStream }
  /** The client left before there was a stream that it could resume. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'done' }

/**
 * One request of a legacy session. It is answered as JSON where the answer comes first and soon, else as a stream. A client
 * that goes away does not cancel it (2025-11-25, "Sending Messages to the Server").
 */
export class SessionCall implements CallSink, SessionWork {
  readonly #session: Session
  readonly #exchange: Exchange
  readonly #options: SessionCallOptions
  readonly #request: RpcRequest
  #state: State = { kind: 'waiting' }
  #headers: readonly string[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(
    session: Session,
    exchange: Exchange,
    call: SessionCallOptions & { readonly request: RpcRequest },
  ) {
    this.#session = session
    this.#exchange = exchange
    this.#options = call
    this.#request = call.request
  }

  start(): void {
    this.#session.begin(this)
    this.#exchange.res.once('close', () => {
      if (this.#state.kind !== 'waiting') return
      this.#state = { kind: 'gone' }
      this.#exchange.note.abortedBy = 'client'
    })
    this.#session.relay.request({ request: this.#request, requestId: this.#exchange.id }, this)
    if (this.#state.kind !== 'waiting' || !this.#options.mayStream) return
    this.#timer = setTimeout(() => {
      if (this.#state.kind === 'waiting') this.#openStream()
    }, silenceMs)
  }

  onHeaders(headers: readonly string[]): void {
    this.#headers = headers
  }

  onNotification(notification: RpcNotification): void {
    if (this.#state.kind === 'waiting' && !this.#options.mayStream) return
    const stream = this.#openStream()
    if (stream !== undefined) this.#session.push(stream, notification.bytes)
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    const stream = this.#options.mayStream ? this.#openStream() : undefined
    if (stream === undefined) return respond(cannotBeAsked(request))
    this.#session.push(stream, this.#session.ask(request, respond).bytes)
  }

  onResponse(response: RpcResponse): void {
    const headers = response.isError ? this.#headers : this.#allHeaders()
    this.#answer(response.bytes, 200, headers)
    if (response.isError) this.#options.handshake?.fail()
  }

  onFailure(failure: AppError): void {
    const { status, error, headers, code } = toErrorAnswer(failure, this.#exchange.id)
    this.#exchange.note.error = code
    const { bytes } = makeError(this.#request.id, error)
    this.#answer(bytes, sessionStatus(status), [...headers, ...this.#headers])
    this.#options.handshake?.fail()
  }

  /** The session is over, and the relay will say nothing more. */
  abandon(): void {
    const state = this.#finish()
    if (state.kind === 'waiting') refuseRpc(this.#exchange, sessionNotFound(), this.#request.id)
  }

  #answer(bytes: Buffer, status: number, headers: readonly string[]): void {
    const state = this.#finish()
    if (state.kind === 'streaming') this.#session.finishStream(state.stream, bytes)
    else if (state.kind === 'waiting') sendJson(this.#exchange, status, { bytes, headers })
  }

  /** The stream of the answer; undefined where there cannot be one any more. */
  #openStream(): ResumableStream | undefined {
    if (this.#state.kind === 'streaming') return this.#state.stream
    if (this.#state.kind !== 'waiting') return undefined
    clearTimeout(this.#timer)
    const stream = this.#session.answerAsStream(this.#exchange, this.#allHeaders())
    this.#state = { kind: 'streaming', stream }
    return stream
  }

  #finish(): State {
    const state = this.#state
    clearTimeout(this.#timer)
    this.#state = { kind: 'done' }
    this.#session.finish(this)
    return state
  }

  #allHeaders(): readonly string[] {
    const { handshake } = this.#options
    return handshake === undefined ? this.#headers : [...handshake.headers, ...this.#headers]
  }
}

/**
 * To a client with a session, 404 means that the session is gone, and a status of a failed server hides the error that
 * comes with it.
 */
function sessionStatus(status: number): number {
  return status === 404 || status >= 500 ? 200 : status
}
