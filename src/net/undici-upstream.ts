import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { AppError } from '../lib/errors.ts'
import type {
  OutboundExchange,
  OutboundFailure,
  OutboundPhase,
  OutboundRequest,
  ResponseSink,
  Upstream,
} from './outbound.ts'
import { errors, Pool } from './undici-pool.ts'

/** How to reach one origin. */
export interface UndiciUpstreamOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  readonly connectMs: number
  /** From the request having been sent to the response head. */
  readonly firstByteMs: number
  /** Between two reads of the response body; does not run while the reader has paused us. */
  readonly idleMs: number
  /** Resolves the host, and refuses addresses that must not be reached. */
  readonly lookup: LookupFunction
}

const responseHeaderBytesMax = 64 * 1024
const idleSocketMs = 30_000
/** Each of them restarts the wait for the head, so without a bound they could go on for ever. */
const informationalMax = 32

/** A pool of HTTP/1.1 connections to one origin. Redirects are not followed, encodings not touched. Closing it waits for what still runs. */
export function createUndiciUpstream(options: UndiciUpstreamOptions): Upstream {
  const pool = new Pool(options.origin, {
    pipelining: 1,
    // A connection that sent nothing for this long may be half-dead; a new one costs less than a lost request.
    keepAliveTimeout: idleSocketMs,
    connect: { timeout: options.connectMs, lookup: options.lookup, noDelay: true },
    headersTimeout: options.firstByteMs,
    bodyTimeout: options.idleMs,
    maxHeaderSize: responseHeaderBytesMax,
    maxResponseSize: -1,
    allowH2: false,
  })
  return {
    send(request: OutboundRequest, sink: ResponseSink): OutboundExchange {
      const exchange = new UndiciExchange(sink)
      pool.dispatch(
        {
          method: request.method,
          path: request.path,
          ...toSent(request),
        },
        exchange,
      )
      return exchange
    },
    async [Symbol.asyncDispose]() {
      await pool.close()
    },
  }
}

/** A short body is cheaper to copy than to send in pieces. */
const copiedBytesMax = 16 * 1024

type SentBody = Pick<Dispatcher.DispatchOptions, 'headers' | 'body'>

/** The body as undici takes it: any iterable will do, though its types do not say so, but then the length is ours to tell. */
function toSent({ headers, body }: OutboundRequest): SentBody {
  if (body === null || !isPieces(body)) return { headers: headers as string[], body }
  let size = 0
  for (const piece of body) size += piece.length
  if (size <= copiedBytesMax)
    return { headers: headers as string[], body: Buffer.concat(body, size) }
  return {
    headers: [...headers, 'content-length', String(size)],
    body: body as unknown as Readable,
  }
}

function isPieces(body: NonNullable<OutboundRequest['body']>): body is readonly Uint8Array[] {
  return Array.isArray(body)
}

const abandoned = new Error('The exchange was abandoned by its reader')

/** One exchange: undici's handler on one side, ours on the other. A class, because one is made per request on the hot path. */
class UndiciExchange implements Dispatcher.DispatchHandler, OutboundExchange {
  readonly #sink: ResponseSink
  #controller: Dispatcher.DispatchController | undefined
  #aborted = false
  #phase: OutboundPhase = 'connect'
  #informational = 0

  constructor(sink: ResponseSink) {
    this.#sink = sink
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort(abandoned)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#phase = 'headers'
    // The reader may have left while the connection was being made.
    if (this.#aborted) controller.abort(abandoned)
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number): void {
    if (this.#aborted) return
    if (statusCode < 200) return this.#countInformational(controller)
    this.#phase = 'body'
    this.#sink.onStart(statusCode, toHeaderList(controller.rawHeaders))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#aborted) return
    if (!this.#sink.onChunk(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    if (!this.#aborted) this.#sink.onEnd()
  }

  /**
   * Passed on when undici is done with it: it may call this from within `dispatch`, or in the midst of its parser, which
   * does not allow for another request to be sent then.
   */
  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    queueMicrotask(() => {
      if (!this.#aborted) this.#sink.onFailure(toFailure(this.#phase, cause))
    })
  }

  #countInformational(controller: Dispatcher.DispatchController): void {
    this.#informational += 1
    if (this.#informational <= informationalMax) return
    controller.abort(new Error(`More than ${informationalMax} informational responses`))
  }
}

function toHeaderList(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  const list: string[] = []
  if (!Array.isArray(raw)) return list
  for (const part of raw) list.push(typeof part === 'string' ? part : part.toString('latin1'))
  return list
}

function toFailure(phase: OutboundPhase, cause: Error): OutboundFailure {
  if (cause instanceof AppError) {
    const isBlocked = cause.code === 'destination_not_allowed'
    return isBlocked
      ? { phase: 'connect', kind: 'blocked', cause }
      : { phase, kind: 'request', cause }
  }
  if (cause instanceof errors.ConnectTimeoutError)
    return { phase: 'connect', kind: 'timeout', cause }
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError) {
    return { phase, kind: 'timeout', cause }
  }
  return { phase, kind: phase === 'connect' ? 'refused' : 'broken', cause }
}
