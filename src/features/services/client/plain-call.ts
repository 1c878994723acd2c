import type { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { Relay } from '../relay/relay.ts'
import type { CallSink, Respond, RunningCall } from '../upstream/connection.ts'
import { RpcError } from '../wire/rpc-error.ts'
import {
  makeError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { ActiveCall, ActiveCalls } from './active-calls.ts'
import { cannotBeAsked, runBatch, type Readable } from './batch-call.ts'
import { sendEmpty, sendJson, sendText, toErrorAnswer } from './rpc-answer.ts'

/** What a request of a plain client, which knows JSON-RPC over POST and nothing else, is served with. */
export interface PlainCallParts {
  readonly exchange: Exchange
  /** The service as the URL names it, for the texts that such clients know. */
  readonly name: string
  /** Made for this request; disposed of when it is over. */
  readonly relay: Relay
  readonly active: ActiveCalls
}

/** One such request. It is answered as JSON; a client that goes away can never get the answer, so the call is given up. */
export class PlainCall implements CallSink, ActiveCall {
  readonly #parts: PlainCallParts
  readonly #request: RpcRequest
  #running: RunningCall | undefined
  #headers: readonly string[] = []
  #isDone = false

  constructor(request: RpcRequest, parts: PlainCallParts) {
    this.#request = request
    this.#parts = parts
  }

  start(): void {
    const { exchange, relay, active } = this.#parts
    active.add(this)
    exchange.res.once('close', () => this.#leave('client'))
    const call = { request: this.#request, requestId: exchange.id, isPlain: true } as const
    this.#running = relay.request(call, this)
  }

  onHeaders(headers: readonly string[]): void {
    this.#headers = headers
  }

  /** There is nowhere to put it. */
  onNotification(_notification: RpcNotification): void {}

  onRequest(request: RpcRequest, respond: Respond): void {
    respond(cannotBeAsked(request))
  }

  onResponse(response: RpcResponse): void {
    if (!this.#finish()) return
    sendJson(this.#parts.exchange, 200, { bytes: response.bytes, headers: this.#headers })
  }

  onFailure(failure: AppError): void {
    if (!this.#finish()) return
    refusePlain(this.#parts, failure, { id: this.#request.id, headers: this.#headers })
  }

  abort(): void {
    this.#leave('upstream')
    this.#parts.exchange.res.destroy()
  }

  drain(): void {}

  #leave(by: 'client' | 'upstream'): void {
    if (this.#isDone) return
    this.#parts.exchange.note.abortedBy = by
    this.#running?.cancel()
    this.#finish()
  }

  #finish(): boolean {
    const wasOpen = !this.#isDone
    this.#isDone = true
    this.#parts.active.delete(this, this.#parts.relay)
    return wasOpen
  }
}

/** Tells a plain client in text that the service does not run. */
export function refuseNotRunning(
  exchange: Exchange,
  name: string,
  headers: readonly string[] = [],
): void {
  exchange.note.error = 'service_failed'
  sendText(exchange, 503, { text: `Service ${name} is not running`, headers })
}

/** Tells a plain client of a failure: in text that the service does not run, with nothing that it asks too often, everything else as JSON-RPC. */
function refusePlain(
  { exchange, name }: PlainCallParts,
  failure: AppError,
  { id, headers }: { readonly id: string; readonly headers: readonly string[] },
): void {
  const answer = toErrorAnswer(failure, exchange.id)
  exchange.note.error = answer.code
  const allHeaders = [...answer.headers, ...headers]
  if (failure.code === 'service_failed') return refuseNotRunning(exchange, name, allHeaders)
  if (failure.code === 'rate_limit_exceeded') {
    return sendText(exchange, answer.status, { text: '', headers: allHeaders })
  }
  const { code, message, data } = answer.error
  const text = failure.code === 'upstream_timeout' ? `Request timeout for MCP ${name}` : message
  const error = makeError(id, new RpcError(code, text, data))
  const status = answer.status < 500 ? answer.status : 500
  sendJson(exchange, status, { bytes: error.bytes, headers: allHeaders })
}

/** Serves an array of messages of a plain client. */
export function servePlainBatch(elements: readonly Readable[], parts: PlainCallParts): void {
  const { exchange, relay, active } = parts
  let isDone = false
  const call: ActiveCall = {
    abort() {
      if (isDone) return
      isDone = true
      batch.cancel()
      active.delete(call, relay)
      exchange.res.destroy()
    },
    drain() {},
  }
  active.add(call)
  exchange.res.once('close', () => call.abort())
  const batch = runBatch(
    elements,
    { relay, requestId: exchange.id, answer: () => {}, listener: undefined },
    (answers) => {
      if (isDone) return
      isDone = true
      active.delete(call, relay)
      if (answers === undefined) sendEmpty(exchange, 202)
      else sendJson(exchange, 200, { bytes: answers })
    },
  )
}
