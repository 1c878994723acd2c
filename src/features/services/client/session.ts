import { randomInt } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import type { Caller } from '../caller.ts'
import type { Relay } from '../relay/relay.ts'
import type { ConnectionListener, Respond } from '../upstream/connection.ts'
import type { RpcNotification, RpcRequest, RpcResponse } from '../wire/rpc-message.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { EventStream } from './event-stream.ts'
import { Questions } from './questions.ts'
import { ReplayBuffer, type ReplayPool } from './replay-buffer.ts'
import { parseEventId, ResumableStream } from './resumable-stream.ts'

/** What a session is made of. */
export interface SessionParts {
  /** The value of `Mcp-Session-Id`. */
  readonly text: string
  /** The short id inside it. */
  readonly id: string
  readonly endpointId: string
  readonly protocolVersion: string
  readonly caller: Caller
  readonly relay: Relay
  readonly pool: ReplayPool
  readonly replayBytesMax: number
  readonly clock: Pick<Clock, 'elapsed'>
}

/** A request under way that has to be told when its session ends. */
export interface SessionWork {
  abandon(): void
}

/** First revision whose clients understand an event that carries nothing but its id. */
const primedSince = '2025-11-25'
/** How long a broken stream can be resumed. */
const resumeMs = 5 * 60_000

/**
 * One legacy client of Streamable HTTP: its relay, its streams, and what it has been asked. Most of them idle most of the
 * time, so everything but the relay is made when it is first needed.
 */
export class Session implements ConnectionListener {
  readonly text: string
  readonly id: string
  readonly endpointId: string
  readonly protocolVersion: string
  readonly caller: Caller
  readonly relay: Relay
  readonly #parts: SessionParts
  /** Of the last use, monotonic, ms. */
  usedAt: number
  #work: Set<SessionWork> | undefined
  #unsolicited: ResumableStream | undefined
  #answering: Map<string, ResumableStream> | undefined
  #replay: ReplayBuffer | undefined
  #questions: Questions | undefined
  #unlisten: (() => void) | undefined
  /** Begins anywhere, so that the ids of events before a restart are not taken for those after it. */
  #streamPrefix = ''
  #streams = 0

  constructor(parts: SessionParts) {
    const { text, id, endpointId, protocolVersion, caller, relay, clock } = parts
    this.text = text
    this.id = id
    this.endpointId = endpointId
    this.protocolVersion = protocolVersion
    this.caller = caller
    this.relay = relay
    this.#parts = parts
    this.usedAt = clock.elapsed()
  }

  /** Requests that are not answered yet. */
  get calls(): number {
    return this.#work?.size ?? 0
  }

  /** Whether anything is under way or connected. */
  get isBusy(): boolean {
    return this.calls > 0 || this.#unsolicited?.isConnected === true
  }

  /** Streams that are connected. */
  get streams(): number {
    let count = this.#unsolicited?.isConnected === true ? 1 : 0
    for (const stream of this.#answering?.values() ?? []) count += stream.isConnected ? 1 : 0
    return count
  }

  /** A request begins; `finish` tells that it is answered. */
  begin(work: SessionWork): void {
    this.#work ??= new Set<SessionWork>()
    this.#work.add(work)
  }

  finish(work: SessionWork): void {
    this.#work?.delete(work)
    this.touch()
  }

  touch(): void {
    this.usedAt = this.#parts.clock.elapsed()
  }

  /** Opens the stream that answers a POST. */
  answerAsStream(exchange: Exchange, headers: readonly string[]): ResumableStream {
    const stream = this.#newStream('p')
    const answering = (this.#answering ??= new Map<string, ResumableStream>())
    answering.set(stream.id, stream)
    this.#connect(stream, exchange, { headers, from: 0 })
    return stream
  }

  /** Sends the answer, the last message of its stream. */
  finishStream(stream: ResumableStream, answer: Buffer): void {
    stream.push(answer, this.#parts.clock.elapsed())
    stream.end()
    this.#answering?.delete(stream.id)
  }

  /** Sends a message on one of the streams. */
  push(stream: ResumableStream, bytes: Buffer): void {
    stream.push(bytes, this.#parts.clock.elapsed())
  }

  /** Makes a question of a server one to this client. */
  ask(request: RpcRequest, respond: Respond): RpcRequest {
    this.#questions ??= new Questions()
    return this.#questions.ask(request, respond)
  }

  answer(response: RpcResponse): void {
    this.#questions?.answer(response)
  }

  /** Serves a GET: the unsolicited stream, or whichever the last event that the client has seen belongs to. */
  openStream(exchange: Exchange, lastEventId: string | undefined): void {
    const seen = lastEventId === undefined ? undefined : parseEventId(lastEventId)
    const running = seen === undefined ? undefined : this.#answering?.get(seen.stream)
    if (seen !== undefined && running !== undefined) {
      return this.#connect(running, exchange, { headers: [], from: seen.number })
    }
    if (seen !== undefined && this.#isAnswered(seen.stream)) {
      const stream = new ResumableStream(seen.stream, () => this.#buffer())
      this.#connect(stream, exchange, { headers: [], from: seen.number })
      return stream.end()
    }
    const stream = (this.#unsolicited ??= this.#newStream('g'))
    const from = seen?.stream === stream.id ? seen.number : undefined
    this.#connect(stream, exchange, { headers: [], from })
    this.#unlisten ??= this.relay.listen(this)
  }

  onNotification(notification: RpcNotification): void {
    if (this.#unsolicited !== undefined) this.push(this.#unsolicited, notification.bytes)
  }

  onRequest(request: RpcRequest, respond: Respond): void {
    if (this.#unsolicited === undefined) return
    this.push(this.#unsolicited, this.ask(request, respond).bytes)
  }

  /** Keeps connections alive and forgets what is too old to be resumed. `now` is monotonic, ms. */
  sweep(now: number, keepAliveMs: number): void {
    this.#replay?.expire(now - resumeMs)
    this.#unsolicited?.keepAlive(keepAliveMs)
    if (this.#answering === undefined) return
    for (const stream of this.#answering.values()) stream.keepAlive(keepAliveMs)
  }

  /** Ends the stream that waits for nothing in particular. */
  drain(): void {
    this.#unsolicited?.end('closing')
  }

  /** Ends all streams and disposes of the relay. */
  async end(): Promise<void> {
    this.#unlisten?.()
    for (const work of this.#work ?? []) work.abandon()
    this.#unsolicited?.end('session ended')
    for (const stream of this.#answering?.values() ?? []) stream.end('session ended')
    this.#replay?.clear()
    await this.relay[Symbol.asyncDispose]()
  }

  #connect(
    stream: ResumableStream,
    exchange: Exchange,
    { headers, from }: { readonly headers: readonly string[]; readonly from: number | undefined },
  ): void {
    const connection = new EventStream(exchange, headers)
    exchange.res.once('close', () => {
      stream.disconnect(connection)
      this.touch()
    })
    if (this.protocolVersion >= primedSince) {
      connection.prime(from === undefined ? stream.lastEventId : `${stream.id}-${from}`)
    } else connection.comment('open')
    stream.connect(connection, from)
  }

  #newStream(kind: 'p' | 'g'): ResumableStream {
    if (this.#streamPrefix === '') this.#streamPrefix = randomInt(36 ** 5).toString(36)
    this.#streams += 1
    return new ResumableStream(`${this.#streamPrefix}${kind}${this.#streams}`, () => this.#buffer())
  }

  /** Whether a stream answered a POST that is over. One that nobody knows any more counts as the unsolicited one of before a restart. */
  #isAnswered(stream: string): boolean {
    return this.#streamPrefix !== '' && stream.startsWith(`${this.#streamPrefix}p`)
  }

  #buffer(): ReplayBuffer {
    this.#replay ??= new ReplayBuffer(this.#parts.pool, this.#parts.replayBytesMax)
    return this.#replay
  }
}
