import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { makeError } from '../wire/rpc-message.ts'
import { Exchanges, type ReplyHead } from './http/http-exchange.ts'
import { withConfigured, type HttpServer } from './http/http-server.ts'
import { takeMessages } from './read-messages.ts'
import type { SseEvent } from './sse-parser.ts'

/** POSTs under way beyond which whoever sends should wait. */
const postsMax = 64
/** The handshake is these first messages, and has to arrive in order. */
const handshakeMessages = 2

/**
 * Opens a channel to a server that speaks HTTP with SSE, revision 2024-11-05: one GET on which everything comes, and a POST
 * for each message, at the address that the stream names first. Rejects with `upstream_failed`, `upstream_unreachable`,
 * `destination_not_allowed`, or `upstream_timeout` when `signal` aborts.
 */
export function openSseChannel(server: HttpServer, signal: AbortSignal): Promise<Channel> {
  const channel = new SseChannel(server)
  return channel.open(signal)
}

class SseChannel implements Channel {
  readonly #server: HttpServer
  readonly #exchanges: Exchanges
  readonly #endpoint = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<AppError | undefined>()
  #posting: HttpServer | undefined
  #postExchanges: Exchanges | undefined
  #isOpen = true
  #sent = 0
  #posts = 0
  #early: Buffer[] = []
  #onMessage: (bytes: Buffer) => void = (bytes) => void this.#early.push(bytes)
  #room: PromiseWithResolvers<void> | undefined

  constructor(server: HttpServer) {
    this.#server = server
    this.#exchanges = new Exchanges(server)
  }

  get closed(): Promise<AppError | undefined> {
    return this.#closed.promise
  }

  async open(signal: AbortSignal): Promise<Channel> {
    if (signal.aborted) throw tooLate()
    const abort = () => this.#close(tooLate())
    signal.addEventListener('abort', abort, { once: true })
    this.#get()
    await this.#endpoint.promise.finally(() => signal.removeEventListener('abort', abort))
    return this
  }

  send(bytes: Buffer): Promise<void> | undefined {
    const server = this.#posting
    const exchanges = this.#postExchanges
    if (!this.#isOpen || server === undefined || exchanges === undefined) return undefined
    this.#sent += 1
    this.#posts += 1
    const headers = withConfigured(['content-type', 'application/json'], server)
    let head: ReplyHead | undefined
    exchanges.start(
      { method: 'POST', headers, body: bytes },
      {
        onHead: (received) => void (head = received),
        onBody() {},
        onEvent() {},
        onEnd: (failure) => this.#onPosted(bytes, head, failure),
      },
    )
    if (this.#sent > handshakeMessages && this.#posts < postsMax) return undefined
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  receive(onMessage: (bytes: Buffer) => void): void {
    this.#onMessage = onMessage
    for (const bytes of this.#early.splice(0)) onMessage(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(undefined)
  }

  #get(): void {
    let head: ReplyHead | undefined
    this.#exchanges.start(
      {
        method: 'GET',
        headers: withConfigured(['accept', 'text/event-stream'], this.#server),
        body: null,
      },
      {
        onHead: (received) => {
          head = received
          if (!received.isEventStream) this.#close(noStream(received))
        },
        onBody() {},
        onEvent: (event) => this.#takeEvent(event),
        onEnd: (failure) => this.#close(failure ?? ended(head)),
      },
    )
  }

  #takeEvent({ type, data }: SseEvent): void {
    if (type === 'endpoint') this.#takeEndpoint(data.toString('utf8'))
    else if (type === 'message' && data.length > 0) this.#onMessage(data)
  }

  #takeEndpoint(text: string): void {
    if (this.#posting !== undefined) return
    const url = URL.parse(text, this.#server.url.href)
    if (url?.origin !== this.#server.url.origin) {
      return this.#close(new AppError('upstream_failed', 'The server names a foreign address.'))
    }
    this.#posting = { ...this.#server, url }
    this.#postExchanges = new Exchanges(this.#posting)
    this.#endpoint.resolve()
  }

  #onPosted(bytes: Buffer, head: ReplyHead | undefined, failure: AppError | undefined): void {
    this.#posts -= 1
    if (this.#posts < postsMax) {
      this.#room?.resolve()
      this.#room = undefined
    }
    const status = head?.status ?? 0
    if (failure === undefined && status < 300) return
    if (status === 404 || status === 410) {
      this.#close(new AppError('session_not_found', 'The server has ended the session.'))
    } else if (status >= 400 && status < 500) {
      this.#refuse(bytes, status)
    } else {
      this.#close(failure ?? ended(head))
    }
  }

  /** A message that the server does not take gets no answer from it, and harms no other. */
  #refuse(bytes: Buffer, status: number): void {
    const error = new RpcError(rpcCodes.internalError, `The server answered with status ${status}.`)
    takeMessages(bytes, this.#server.onNoise, (message) => {
      if (message.kind === 'request') this.#onMessage(makeError(message.id, error).bytes)
    })
  }

  #close(reason: AppError | undefined): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#room?.resolve()
    this.#endpoint.reject(reason ?? ended(undefined))
    // Nobody may be waiting for it any more.
    this.#endpoint.promise.catch(() => {})
    this.#closed.resolve(reason)
    // What told us may be the parser of the pool, which cannot be cut in its midst.
    queueMicrotask(() => {
      this.#exchanges.abortAll()
      this.#postExchanges?.abortAll()
    })
  }
}

function noStream({ status }: ReplyHead): AppError {
  const what = status === 200 ? 'no stream of events' : `status ${status}`
  return new AppError('upstream_failed', `The server answered with ${what}.`)
}

function ended(head: ReplyHead | undefined): AppError {
  const what = head === undefined || head.status === 200 ? 'ended the stream' : undefined
  return new AppError(
    'upstream_failed',
    what === undefined ? `The server answered with status ${head?.status}.` : `The server ${what}.`,
  )
}

function tooLate(): AppError {
  return new AppError('upstream_timeout', 'The server did not answer the handshake in time.')
}
