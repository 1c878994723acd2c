import { randomUUID } from 'node:crypto'
import { AppError } from '../../../lib/errors.ts'
import { jsonAnswer, sendAnswer } from '../../../net/answer.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { readBody } from '../../../net/request-body.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint } from '../relay/relay.ts'
import type { Channel } from '../wire/channel.ts'
import { parseMessage } from '../wire/rpc-message.ts'
import { isJsonType } from './accept.ts'
import { beginsArray, splitArray } from './batch-bytes.ts'
import { authenticate } from './callers.ts'
import { ChannelSession } from './channel-session.ts'
import type { FrontParts } from './front-parts.ts'
import { invalidRequest, sendText, sessionNotFound, toErrorAnswer } from './rpc-answer.ts'
import { SseChannel } from './sse-channel.ts'
import type { Swept } from './sweep.ts'

/** Names whose connections last only so long; what stands behind them is opened by anybody's agent, and forgotten. */
const limitedNames: ReadonlySet<string> = new Set(['proxy', 'sequentialthinking', 'think'])
/** A connection ends this much before the limit, so that it is the server which ends it. */
const marginMs = 5_000
const durationMsMin = 1_000
const elementsMax = 100

interface Connection {
  readonly channel: SseChannel
  /** Path to which messages are posted. */
  readonly messagePath: string
  /** Absent where the channel was handed over as it is. */
  readonly session: ChannelSession | undefined
  /** Monotonic, ms. */
  readonly endsAt: number
}

/** The connections of HTTP+SSE (2024-11-05). */
export class SseConnections implements Swept {
  readonly #front: FrontParts
  readonly #connections = new Map<string, Connection>()
  readonly #perKey = new Map<string, number>()

  constructor(front: FrontParts) {
    this.#front = front
  }

  get size(): number {
    return this.#connections.size
  }

  /** Calls under way. */
  get running(): number {
    let sum = 0
    for (const { session } of this.#connections.values()) sum += session?.running ?? 0
    return sum
  }

  /** Serves `GET …/sse`; `segments` are those before it. Answers refusals in the words that its clients know. */
  async open(exchange: Exchange, segments: readonly string[]): Promise<void> {
    await this.#open(exchange, segments).catch((error: unknown) =>
      refuseStream(exchange, error, segments.join('/')),
    )
  }

  /** Serves `POST …/message?sessionId=`. The id is the credential; a key that comes along has to be the one that got it. */
  async post(exchange: Exchange): Promise<void> {
    const id = new URLSearchParams(exchange.search).get('sessionId') ?? ''
    if (id === '') return sendText(exchange, 400, { text: 'No sessionId provided' })
    const connection = this.#connections.get(id)
    if (connection === undefined || connection.messagePath !== exchange.path) {
      throw sessionNotFound()
    }
    const { channel } = connection
    if (exchange.credentials.length > 0) {
      const { keyId } = authenticate(this.#front.dependencies, exchange)
      if (keyId !== channel.caller.keyId) throw sessionNotFound()
    }
    exchange.note.keyId = channel.caller.keyId
    for (const message of await this.#readMessages(exchange)) {
      if (!channel.deliver(message)) throw new AppError('overloaded', 'Nobody reads the messages.')
    }
    sendText(exchange, 202, { text: 'Accepted' })
  }

  sweep(now: number): void {
    const { keepAliveMs } = this.#front.config()
    for (const { channel, endsAt } of this.#connections.values()) {
      if (now >= endsAt) channel.end('time is up')
      else if (!channel.caller.isUsable()) channel.end('the key does not work any more')
      else channel.keepAlive(keepAliveMs)
    }
  }

  /** Ends all connections. */
  end(): void {
    for (const { channel } of this.#connections.values()) channel.end('closing')
  }

  async #open(exchange: Exchange, segments: readonly string[]): Promise<void> {
    const { dependencies, isStopping } = this.#front
    const caller = authenticate(dependencies, exchange)
    if (isStopping()) throw new AppError('overloaded', 'Portico is shutting down.')
    const name = segments.join('/')
    this.#checkRoom(caller)
    const take = await dependencies.channelRoute(name, exchange, caller)
    const endpoint =
      take === undefined
        ? dependencies.resolve(caller, segments, exchange.search)?.endpoint
        : undefined
    if (take === undefined && endpoint === undefined) throw unknownName(name)
    const id = randomUUID()
    const messagePath = exchange.path.replace(/sse\/?$/, 'message')
    const channel = new SseChannel(exchange, { id, caller, messagePath })
    const session =
      endpoint === undefined ? undefined : this.#session(channel, { endpoint, caller, id })
    const endsAt = this.#endsAt(endpoint?.name ?? name)
    this.#keep({ channel, messagePath, session, endsAt }, caller.keyId)
    if (session !== undefined) void session.run()
    take?.(channel satisfies Channel)
    if (isStopping()) channel.end('closing')
  }

  #session(
    channel: SseChannel,
    { endpoint, caller, id }: { endpoint: Endpoint; caller: Caller; id: string },
  ): ChannelSession {
    const { active, dependencies } = this.#front
    const onLost = () => channel.end('session ended')
    return new ChannelSession({
      channel,
      endpoint,
      caller,
      id,
      active,
      log: dependencies.log,
      onLost,
    })
  }

  #keep(connection: Connection, keyId: string): void {
    const { channel } = connection
    this.#connections.set(channel.id, connection)
    this.#perKey.set(keyId, (this.#perKey.get(keyId) ?? 0) + 1)
    void channel.closed.then(() => {
      this.#connections.delete(channel.id)
      const left = (this.#perKey.get(keyId) ?? 1) - 1
      if (left === 0) this.#perKey.delete(keyId)
      else this.#perKey.set(keyId, left)
    })
  }

  #checkRoom({ keyId }: Caller): void {
    if ((this.#perKey.get(keyId) ?? 0) < this.#front.config().sessionsPerKeyMax) return
    throw new AppError('rate_limit_exceeded', 'The key has too many MCP connections open.')
  }

  #endsAt(name: string): number {
    const { maxDurationMs } = this.#front.config()
    if (maxDurationMs === 0 || !limitedNames.has(name)) return Number.POSITIVE_INFINITY
    const { clock } = this.#front.dependencies
    return clock.elapsed() + Math.max(maxDurationMs - marginMs, durationMsMin)
  }

  async #readMessages(exchange: Exchange): Promise<readonly Buffer[]> {
    const contentType = exchange.req.headers['content-type']
    if (contentType !== undefined && !isJsonType(contentType)) {
      throw new AppError('unsupported_media_type', 'The content type must be application/json.')
    }
    const { bodyBytesMax, bodyTimeoutMs } = this.#front.config()
    const limits = { bytesMax: bodyBytesMax, stallMs: bodyTimeoutMs }
    const body = await readBody(exchange.req, limits)
    const messages = beginsArray(body) ? splitArray(body, elementsMax) : [body]
    if (messages === undefined) throw invalidRequest('The body is no JSON-RPC message.')
    for (const message of messages) parseMessage(message)
    return messages
  }
}

function unknownName(name: string): AppError {
  return new AppError('not_found', `MCP Server '${name}' Not found`)
}

function refuseStream(exchange: Exchange, failure: unknown, name: string): void {
  const { status, error, headers, code } = toErrorAnswer(failure, exchange.id)
  exchange.note.error = code
  const texts: Readonly<Record<number, string>> = {
    401: 'MCP Unauthorized',
    404: `MCP Server '${name}' Not found`,
  }
  sendAnswer(
    exchange,
    'data',
    jsonAnswer(status, { error: texts[status] ?? error.message }, headers),
  )
}
