import type { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { ClientCall, Relay } from '../relay/relay.ts'
import type { CallSink, Respond, RunningCall } from '../upstream/connection.ts'
import {
  errorOf,
  makeError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { Acceptance } from './accept.ts'
import type { ActiveCall, ActiveCalls } from './active-calls.ts'
import { cannotBeAsked } from './batch-call.ts'
import { EventStream } from './event-stream.ts'
import { sendJson, statusOfCode, toErrorAnswer } from './rpc-answer.ts'
import { silenceMs } from './session-call.ts'
import type { Sweep, Swept } from './sweep.ts'

/** What a modern request is served with. */
export interface ModernCallParts {
  readonly exchange: Exchange
  readonly caller: Caller
  /** Made for this request; disposed of when it is over. */
  readonly relay: Relay
  readonly call: ClientCall
  readonly acceptance: Acceptance
  readonly active: ActiveCalls
  readonly sweep: Sweep
  readonly keepAliveMs: () => number
}

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'streaming'; readonly stream: EventStream }
  | { readonly kind: 'done' }

/**
 * One request of revision 2026-07-28. It is answered as JSON where the answer comes first and soon, else as a stream; a
 * client that closes it has cancelled the request.
 */
export class ModernCall implements CallSink, ActiveCall, Swept {
  readonly #parts: ModernCallParts
  #state: State = { kind: 'waiting' }
  #running: RunningCall | undefined
  #headers: readonly string[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(parts: ModernCallParts) {
    this.#parts = parts
  }

  start(): void {
    const { exchange, relay, call, acceptance, active } = this.#parts
    active.add(this)
    exchange.res.once('close', () => this.#leave('client'))
    this.#running = relay.request(call, this)
    if (this.#state.kind !== 'waiting' || !acceptance.events) return
    this.#timer = setTimeout(() => this.#openStream()?.comment('open'), silenceMs)
  }

  onHeaders(headers: readonly string[]): void {
    this.#headers = headers
  }

  onNotification(notification: RpcNotification): void {
    if (!this.#parts.acceptance.events) return
    const stream = this.#openStream()
    // One that does not read has been cut, which cancels as any other end of the stream does.
    stream?.send(notification.bytes)
  }

  /** Never happens: this revision knows no requests of servers. */
  onRequest(request: RpcRequest, respond: Respond): void {
    respond(cannotBeAsked(request))
  }

  onResponse(response: RpcResponse): void {
    const state = this.#finish()
    if (state.kind === 'streaming') {
      state.stream.send(response.bytes)
      state.stream.end()
    } else if (state.kind === 'waiting') {
      const error = errorOf(response)
      const status = error === undefined ? 200 : statusOfCode(error.code)
      sendJson(this.#parts.exchange, status, { bytes: response.bytes, headers: this.#headers })
    }
  }

  onFailure(failure: AppError): void {
    const { exchange, call } = this.#parts
    const state = this.#finish()
    const { status, error, headers, code } = toErrorAnswer(failure, exchange.id)
    exchange.note.error = code
    const { bytes } = makeError(call.request.id, error)
    if (state.kind === 'streaming') {
      state.stream.send(bytes)
      state.stream.end()
    } else if (state.kind === 'waiting') {
      sendJson(exchange, status, { bytes, headers: [...headers, ...this.#headers] })
    }
  }

  sweep(): void {
    if (this.#state.kind !== 'streaming') return
    if (!this.#parts.caller.isUsable()) this.abort()
    else this.#state.stream.keepAlive(this.#parts.keepAliveMs())
  }

  abort(): void {
    this.#leave('upstream')
    this.#parts.exchange.res.destroy()
  }

  drain(): void {
    if (this.#parts.call.request.method !== 'subscriptions/listen') return
    if (this.#state.kind !== 'streaming') return this.abort()
    this.#state.stream.end('closing')
    this.#leave('upstream')
  }

  #openStream(): EventStream | undefined {
    if (this.#state.kind === 'streaming') return this.#state.stream
    if (this.#state.kind === 'done') return undefined
    clearTimeout(this.#timer)
    const stream = new EventStream(this.#parts.exchange, this.#headers)
    this.#state = { kind: 'streaming', stream }
    this.#parts.sweep.add(this)
    return stream
  }

  #leave(by: 'client' | 'upstream'): void {
    if (this.#state.kind === 'done') return
    this.#parts.exchange.note.abortedBy = by
    this.#running?.cancel()
    this.#finish()
  }

  #finish(): State {
    const state = this.#state
    this.#state = { kind: 'done' }
    clearTimeout(this.#timer)
    this.#parts.sweep.delete(this)
    this.#parts.active.delete(this, this.#parts.relay)
    return state
  }
}
