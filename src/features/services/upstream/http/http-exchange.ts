import { AppError } from '../../../../lib/errors.ts'
import type { OutboundExchange, OutboundFailure, ResponseSink } from '../../../../net/outbound.ts'
import { SseParser, type SseEvent } from '../sse-parser.ts'
import { headerIn, type HttpServer } from './http-server.ts'

/** One HTTP request to an MCP server. */
export interface HttpMessage {
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** Flat list name, value, … */
  readonly headers: readonly string[]
  readonly body: Buffer | null
}

/** Hears one exchange: the head, then a body or any number of events, then the end. Nothing after `abort`. */
export interface Reply {
  onHead?(head: ReplyHead): void
  /** A whole body that is no stream of events. */
  onBody(bytes: Buffer, head: ReplyHead): void
  onEvent(event: SseEvent): void
  onRetry?(retryMs: number): void
  /** With the failure where it did not end in good order. */
  onEnd(failure: AppError | undefined): void
}

/** Status and headers of an answer. */
export interface ReplyHead {
  readonly status: number
  readonly headers: readonly string[]
  readonly isEventStream: boolean
}

const redirectsMax = 3
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 307, 308])

/** What has been asked of one server and is not answered to the end. */
export class Exchanges {
  readonly #server: HttpServer
  readonly #open = new Set<HttpExchange>()

  constructor(server: HttpServer) {
    this.#server = server
  }

  /** Sends a request and reads its answer, event by event or whole. Redirects are followed within the origin, with method and body. */
  start(message: HttpMessage, reply: Reply): HttpExchange {
    const started: HttpExchange = new HttpExchange(this.#server, message, {
      ...reply,
      onOver: () => void this.#open.delete(started),
    })
    this.#open.add(started)
    started.send(this.#server.url)
    return started
  }

  abortAll(): void {
    for (const open of this.#open) open.abort()
  }
}

/** Longer than the end of a stream is on its way after the last event. */
const lingerMs = 2_000

/** One exchange under way. */
export class HttpExchange implements ResponseSink {
  readonly #server: HttpServer
  readonly #message: HttpMessage
  readonly #reply: Reply & { onOver(): void }
  #running: OutboundExchange | undefined
  #url: URL
  #redirects = 0
  #head: ReplyHead | undefined
  #chunks: Buffer[] = []
  #bytes = 0
  #parser: SseParser | undefined
  #isOver = false
  #linger: NodeJS.Timeout | undefined

  constructor(server: HttpServer, message: HttpMessage, reply: Reply & { onOver(): void }) {
    this.#server = server
    this.#message = message
    this.#reply = reply
    this.#url = server.url
  }

  /** Id of the last event of the stream; empty where none had one. */
  get lastEventId(): string {
    return this.#parser?.lastEventId ?? ''
  }

  send(url: URL): void {
    this.#url = url
    const { method, headers, body } = this.#message
    const path = `${url.pathname}${url.search}`
    this.#running = this.#server.upstream.send({ method, path, headers, body }, this)
  }

  /** Drops the exchange and its connection. The reply hears nothing more. Idempotent. */
  abort(): void {
    if (this.#isOver) return
    this.#close()
    this.#running?.abort()
  }

  /** Says that the last event was read. The end follows at once, and the connection can be used again; a server that keeps the stream open is cut off. */
  expectEnd(): void {
    if (this.#isOver || this.#parser === undefined) return
    this.#linger = setTimeout(() => this.abort(), lingerMs).unref()
  }

  onStart(status: number, headers: string[]): void {
    if (redirectStatuses.has(status)) return this.#redirect(headerIn(headers, 'location'))
    const type = headerIn(headers, 'content-type') ?? ''
    const isEventStream = status === 200 && /^text\/event-stream\b/i.test(type)
    this.#head = { status, headers, isEventStream }
    this.#server.onStatus?.(status)
    if (isEventStream) {
      this.#parser = new SseParser(
        {
          onEvent: (event) => {
            // An event may be the reason to drop the rest of the chunk that it came in.
            if (!this.#isOver) this.#reply.onEvent(event)
          },
          onRetry: (retryMs) => this.#reply.onRetry?.(retryMs),
        },
        this.#server.messageBytesMax,
      )
    }
    this.#reply.onHead?.(this.#head)
  }

  onChunk(chunk: Buffer): boolean {
    if (this.#isOver) return true
    this.#bytes += chunk.length
    const isAccepted =
      this.#parser === undefined
        ? this.#bytes <= this.#server.messageBytesMax
        : this.#parser.write(chunk)
    if (!isAccepted) this.#giveUp(tooLong(this.#server.messageBytesMax))
    else if (this.#parser === undefined) this.#chunks.push(chunk)
    return true
  }

  onEnd(): void {
    if (this.#isOver) return
    if (this.#parser === undefined && this.#head !== undefined && this.#bytes > 0) {
      const [first] = this.#chunks
      const isWhole = first !== undefined && this.#chunks.length === 1
      this.#reply.onBody(isWhole ? first : Buffer.concat(this.#chunks, this.#bytes), this.#head)
    }
    this.#finish(undefined)
  }

  onFailure(failure: OutboundFailure): void {
    this.#finish(toAppError(failure))
  }

  #finish(failure: AppError | undefined): void {
    if (this.#isOver) return
    this.#close()
    this.#reply.onEnd(failure)
  }

  #close(): void {
    this.#isOver = true
    clearTimeout(this.#linger)
    this.#reply.onOver()
  }

  #giveUp(error: AppError): void {
    this.#running?.abort()
    this.#finish(error)
  }

  #redirect(location: string | undefined): void {
    const url = location === undefined ? null : URL.parse(location, this.#url.href)
    this.#redirects += 1
    if (url?.origin !== this.#url.origin || this.#redirects > redirectsMax) {
      return this.#giveUp(new AppError('upstream_failed', 'The server redirects elsewhere.'))
    }
    this.#running?.abort()
    // The pool does not take another request in the midst of its parser.
    queueMicrotask(() => {
      if (!this.#isOver) this.send(url)
    })
  }
}

function tooLong(messageBytesMax: number): AppError {
  return new AppError(
    'upstream_failed',
    `The server sent a message of more than ${messageBytesMax} bytes.`,
  )
}

/** The failure of an exchange as what the caller is told: no address, no header, no body. */
function toAppError({ kind, phase, cause }: OutboundFailure): AppError {
  if (kind === 'blocked') {
    return new AppError('destination_not_allowed', 'The destination may not be reached.', { cause })
  }
  if (phase === 'connect') {
    return new AppError('upstream_unreachable', 'The server could not be reached.', { cause })
  }
  return new AppError('upstream_failed', 'The server broke off the connection.', { cause })
}

/** The failure of an exchange that ended in good order and without the message that was due. */
export function withoutAnswer(head: ReplyHead | undefined): AppError {
  return new AppError(
    'upstream_failed',
    head === undefined || head.status === 200
      ? 'The server ended its answer before it was complete.'
      : `The server answered with status ${head.status}.`,
  )
}
