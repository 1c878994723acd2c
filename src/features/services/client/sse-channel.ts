import type { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Channel } from '../wire/channel.ts'
import { EventStream } from './event-stream.ts'
import { Inbox } from './inbox.ts'

/** The channel of one HTTP+SSE connection (2024-11-05): a stream down, and POSTs up that name its id. */
export class SseChannel implements Channel {
  /** Unguessable: whoever knows it may send. */
  readonly id: string
  readonly caller: Caller
  readonly closed: Promise<AppError | undefined>
  readonly #stream: EventStream
  readonly #inbox = new Inbox()

  /** Sends the head, and the event that tells the client where to send to. */
  constructor(exchange: Exchange, opening: { id: string; caller: Caller; messagePath: string }) {
    const { id, caller, messagePath } = opening
    const { promise, resolve } = Promise.withResolvers<AppError | undefined>()
    this.id = id
    this.caller = caller
    this.closed = promise
    // The client may have gone while its request was looked at, and a response closes only once.
    if (exchange.res.destroyed) resolve(undefined)
    else exchange.res.once('close', () => resolve(undefined))
    this.#stream = new EventStream(exchange)
    const address = Buffer.from(`${messagePath}?sessionId=${id}`)
    this.#stream.send(address, { name: 'endpoint' })
  }

  /** A client that does not read is cut, so there is nothing to wait for. */
  send(bytes: Buffer): undefined {
    this.#stream.send(bytes)
  }

  receive(onMessage: (bytes: Buffer) => void): void {
    this.#inbox.open(onMessage)
  }

  /** Takes one message that was posted. Returns false where nobody reads and too much waits. */
  deliver(bytes: Buffer): boolean {
    return this.#inbox.put(bytes)
  }

  keepAlive(silenceMs: number): void {
    this.#stream.keepAlive(silenceMs)
  }

  end(comment: string): void {
    this.#stream.end(comment)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.end()
    await this.closed
  }
}
