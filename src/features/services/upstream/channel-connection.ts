import { isUtf8 } from 'node:buffer'
import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import type { Era } from '../wire/protocol-versions.ts'
import type { RpcMessage, RpcNotification, RpcRequest } from '../wire/rpc-message.ts'
import { Calls, makeCancellation, progressMethod, type Call } from './calls.ts'
import type {
  CallSink,
  ClientHello,
  Connection,
  ConnectionListener,
  RunningCall,
} from './connection.ts'
import { discover, initialize, introduce, type Unintroduced } from './handshake.ts'
import { Listeners, pong, refusal, respondOnce } from './listeners.ts'
import { OutgoingQueue } from './outgoing-queue.ts'
import { takeMessages } from './read-messages.ts'

/** How a server behind a channel is spoken with. */
export interface ChannelConnectionOptions {
  readonly era: Era
  /** Hears the server from its first message on. */
  readonly listener?: ConnectionListener | undefined
  /** Hears what is no JSON-RPC, shortened. It is skipped. */
  readonly onNoise: (text: string) => void
}

/** The same with what the handshake needs. */
export interface OpenChannelOptions extends ChannelConnectionOptions {
  readonly client: ClientHello
  /** Gives up the handshake. */
  readonly signal: AbortSignal
}

const queueBytesMax = 64 * 1024 * 1024

/**
 * Opens a connection over a channel, handshake included. The channel belongs to the connection from here on; it is
 * disposed of when the handshake fails. Rejects with `upstream_failed` or `upstream_timeout`, or with what closed the channel.
 */
export async function openChannelConnection(
  channel: Channel,
  options: OpenChannelOptions,
): Promise<Connection> {
  const connection = createChannelConnection(channel, options)
  const { era, client, signal } = options
  const greet = era === 'modern' ? discover : initialize
  const hello = await greet(connection, client, signal).catch(async (error: unknown) => {
    await connection[Symbol.asyncDispose]()
    throw error
  })
  return introduce(connection, hello)
}

/** A connection over a channel before its handshake. It owns the channel. */
export function createChannelConnection(
  channel: Channel,
  options: ChannelConnectionOptions,
): Unintroduced {
  return new ChannelConnection(channel, options)
}

class ChannelConnection implements Unintroduced {
  readonly era: Era
  readonly attributesRequests = false
  readonly closed: Promise<AppError | undefined>
  readonly #channel: Channel
  readonly #outgoing: OutgoingQueue
  readonly #onNoise: (text: string) => void
  readonly #calls = new Calls()
  readonly #listeners = new Listeners()
  #end: AppError | undefined
  #isDisposed = false

  constructor(channel: Channel, { era, listener, onNoise }: ChannelConnectionOptions) {
    this.era = era
    this.#channel = channel
    this.#outgoing = new OutgoingQueue(channel, queueBytesMax)
    this.#onNoise = onNoise
    if (listener !== undefined) this.#listeners.add(listener)
    this.closed = channel.closed.then((reason) => this.#close(reason))
    channel.receive((bytes) => {
      takeMessages(bytes, this.#onNoise, (message) => this.#take(message))
    })
  }

  get running(): number {
    return this.#calls.size
  }

  request(request: RpcRequest, sink: CallSink): RunningCall {
    const call = this.#calls.open(request, sink)
    const refused = this.#end ?? (this.#outgoing.isFull ? tooSlow() : undefined)
    // Whoever calls has to have the call in hand before it hears of it.
    if (refused !== undefined) queueMicrotask(() => this.#calls.fail(call, refused))
    else this.#send(call.sent.bytes)
    return { cancel: (reason) => this.#cancel(call, reason) }
  }

  notify(notification: RpcNotification): void {
    if (!this.#outgoing.isFull) this.#send(notification.bytes)
  }

  listen(listener: ConnectionListener): () => void {
    return this.#listeners.add(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    await this.#channel[Symbol.asyncDispose]()
    await this.closed
  }

  #cancel(call: Call, reason: string | undefined): void {
    if (!this.#calls.forget(call)) return
    const cancellation = makeCancellation(call, reason)
    if (cancellation !== undefined) this.#send(cancellation.bytes)
  }

  #take(message: RpcMessage): void {
    if (message.kind === 'response') this.#calls.answer(message)
    else if (message.kind === 'request') this.#answer(message)
    else if (!this.#calls.notify(message) && message.method !== progressMethod) {
      this.#listeners.notify(message)
    }
  }

  #answer(request: RpcRequest): void {
    const respond = respondOnce(request, ({ bytes }) => this.#send(bytes))
    if (this.era === 'modern') respond(refusal(request))
    else if (request.method === 'ping') respond(pong(request))
    else this.#listeners.ask(request, respond)
  }

  #send(bytes: Buffer): void {
    if (this.#end !== undefined) return
    // A message that is no UTF-8 would end a stream that others share; its own text is all that suffers.
    this.#outgoing.send(isUtf8(bytes) ? bytes : Buffer.from(bytes.toString('utf8')))
  }

  #close(reason: AppError | undefined): AppError | undefined {
    const error = reason ?? new AppError('upstream_failed', 'The connection to the server ended.')
    this.#end = error
    this.#outgoing.clear()
    this.#calls.failAll(error)
    return this.#isDisposed ? undefined : error
  }
}

function tooSlow(): AppError {
  return new AppError('overloaded', 'The server does not take what is sent to it.')
}
