import { AppError } from '../../../../lib/errors.ts'
import { latestModernVersion } from '../../wire/protocol-versions.ts'
import type { RpcMessage, RpcNotification, RpcRequest } from '../../wire/rpc-message.ts'
import { Calls, progressMethod, type Call } from '../calls.ts'
import type { CallOptions, CallSink, RunningCall } from '../connection.ts'
import type { Unintroduced } from '../handshake.ts'
import { readAnswer, takeMessages } from '../read-messages.ts'
import {
  Exchanges,
  withoutAnswer,
  type HttpMessage,
  type Reply,
  type ReplyHead,
} from './http-exchange.ts'
import { withConfigured, type HttpServer } from './http-server.ts'
import { mirrorHeaders } from './mcp-headers.ts'

/** A connection to a modern server over HTTP, before its handshake: one POST a message, and nothing between them. */
export function createStatelessConnection(server: HttpServer): Unintroduced {
  return new StatelessConnection(server)
}

const fixedHeaders = [
  'accept',
  'application/json, text/event-stream',
  'content-type',
  'application/json',
]

class StatelessConnection implements Unintroduced {
  readonly era = 'modern'
  readonly attributesRequests = true
  readonly #server: HttpServer
  readonly #exchanges: Exchanges
  readonly #calls = new Calls()
  readonly #closed = Promise.withResolvers<AppError | undefined>()
  #isOver = false

  constructor(server: HttpServer) {
    this.#server = server
    this.#exchanges = new Exchanges(server)
  }

  get closed(): Promise<AppError | undefined> {
    return this.#closed.promise
  }

  get running(): number {
    return this.#calls.size
  }

  request(request: RpcRequest, sink: CallSink, options?: CallOptions): RunningCall {
    const call = this.#calls.open(request, sink)
    if (this.#isOver) queueMicrotask(() => this.#calls.fail(call, disposed()))
    else this.#post(call, options?.paramHeaders ?? [])
    // To close the stream is to cancel.
    return { cancel: () => void this.#calls.forget(call) }
  }

  notify(notification: RpcNotification): void {
    if (this.#isOver) return
    this.#exchanges.start(this.#posting(notification, []), ignoredReply)
  }

  /** Without a connection that lasts, nothing comes that belongs to no call. */
  listen(): () => void {
    return () => {}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    this.#calls.failAll(disposed())
    this.#exchanges.abortAll()
    this.#closed.resolve(undefined)
  }

  #post(call: Call, paramHeaders: readonly string[]): void {
    let head: ReplyHead | undefined
    const posted = this.#exchanges.start(this.#posting(call.sent, paramHeaders), {
      onHead: (received) => void (head = received),
      onBody: (bytes) => {
        const answer = readAnswer(bytes)
        if (answer !== undefined) this.#calls.answerCall(call, answer)
      },
      onEvent: ({ data }) => this.#read(call, data),
      onEnd: (failure) => {
        if (this.#calls.isRunning(call)) this.#calls.fail(call, failure ?? withoutAnswer(head))
      },
    })
    call.onOver = (isAnswered) => (isAnswered ? posted.expectEnd() : posted.abort())
  }

  #posting(message: RpcRequest | RpcNotification, paramHeaders: readonly string[]): HttpMessage {
    const mirrored = mirrorHeaders(message, latestModernVersion)
    const headers = withConfigured([...fixedHeaders, ...mirrored, ...paramHeaders], this.#server)
    return { method: 'POST', headers, body: message.bytes }
  }

  #read(call: Call, bytes: Buffer): void {
    if (bytes.length === 0) return
    takeMessages(bytes, this.#server.onNoise, (message) => this.#take(call, message))
  }

  #take(call: Call, message: RpcMessage): void {
    switch (message.kind) {
      case 'response':
        if (message.id === null || message.id === call.ownId) this.#calls.answerCall(call, message)
        return
      case 'notification':
        if (this.#calls.notify(message) || message.method === progressMethod) return
        if (this.#calls.isRunning(call)) call.sink.onNotification(message)
        return
      case 'request':
        // There is no way to answer it, and a modern server asks in its results.
        this.#server.onNoise(`The server sent a request: ${message.method}`)
    }
  }
}

/** For what is sent without an answer to be waited for. */
const ignoredReply: Reply = { onBody() {}, onEvent() {}, onEnd() {} }

function disposed(): AppError {
  return new AppError('upstream_failed', 'The connection to the server ended.')
}
