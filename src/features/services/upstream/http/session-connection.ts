import { AppError } from '../../../../lib/errors.ts'
import {
  errorOf,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
} from '../../wire/rpc-message.ts'
import { Calls, makeCancellation, progressMethod, type Call } from '../calls.ts'
import type {
  CallSink,
  ClientHello,
  Connection,
  ConnectionListener,
  Respond,
  RunningCall,
} from '../connection.ts'
import { initialized, introduce, sendInitialize, type Unintroduced } from '../handshake.ts'
import { Listeners, pong, respondOnce } from '../listeners.ts'
import { readAnswer, takeMessages } from '../read-messages.ts'
import { startCallStream, type StreamPort } from './call-stream.ts'
import { Exchanges, type HttpExchange, type Reply, type ReplyHead } from './http-exchange.ts'
import { headerIn, withConfigured, type HttpServer } from './http-server.ts'
import { UnsolicitedStream } from './unsolicited-stream.ts'

/** What the handshake of a session needs. */
export interface OpenSessionOptions {
  readonly client: ClientHello
  readonly listener?: ConnectionListener | undefined
  readonly signal: AbortSignal
}

/**
 * Opens a session with a legacy server over Streamable HTTP. When the server ends the session, `closed` resolves with
 * `session_not_found`. Rejects with `upstream_failed`, `upstream_unreachable`, `upstream_timeout` or `destination_not_allowed`.
 */
export async function openSessionConnection(
  server: HttpServer,
  options: OpenSessionOptions,
): Promise<Connection> {
  const connection = new SessionConnection(server, options.listener)
  return connection.open(options).catch(async (error: unknown) => {
    await connection[Symbol.asyncDispose]()
    throw error
  })
}

const accept = ['accept', 'application/json, text/event-stream']
const posted = [...accept, 'content-type', 'application/json']
const acceptEvents = ['accept', 'text/event-stream']
const deleteMs = 2_000
/** What servers say with status 400 of a session that they do not know, instead of 404. */
const unknownSession = -32_000

class SessionConnection implements Unintroduced, StreamPort {
  readonly era = 'legacy'
  readonly attributesRequests = true
  readonly #server: HttpServer
  readonly #exchanges: Exchanges
  readonly #calls = new Calls()
  readonly #listeners = new Listeners()
  readonly #unsolicited: UnsolicitedStream
  readonly #closed = Promise.withResolvers<AppError | undefined>()
  #sessionId: string | undefined
  #version: string | undefined
  /** Set as soon as the server does not know the session any more, and a moment before the connection ends of it. */
  #lost: AppError | undefined
  #end: AppError | undefined

  constructor(server: HttpServer, listener: ConnectionListener | undefined) {
    this.#server = server
    this.#exchanges = new Exchanges(server)
    if (listener !== undefined) this.#listeners.add(listener)
    this.#unsolicited = new UnsolicitedStream({
      open: (lastEventId, reply) => this.resume(lastEventId, reply),
      take: (data) => this.#takeUnsolicited(data),
    })
  }

  async open({ client, signal }: OpenSessionOptions): Promise<Connection> {
    const hello = await sendInitialize(this, client, signal)
    this.#version = hello.protocolVersion
    // Servers send their first messages as soon as they are told that the handshake is over.
    await this.#unsolicited.start()
    await this.#confirm(signal)
    this.#unsolicited.startAgain()
    return introduce(this, hello)
  }

  get closed(): Promise<AppError | undefined> {
    return this.#closed.promise
  }

  get running(): number {
    return this.#calls.size
  }

  request(request: RpcRequest, sink: CallSink): RunningCall {
    const call = this.#calls.open(request, sink)
    const over = this.#end
    if (over === undefined) startCallStream(this, call)
    else queueMicrotask(() => this.#calls.fail(call, over))
    return { cancel: (reason) => this.#cancel(call, reason) }
  }

  notify(notification: RpcNotification): void {
    this.#send(notification.bytes)
  }

  listen(listener: ConnectionListener): () => void {
    return this.#listeners.add(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end !== undefined) return
    this.#close(new AppError('upstream_failed', 'The connection to the server ended.'))
    await this.#delete()
    this.#closed.resolve(undefined)
  }

  post(call: Call, reply: Reply): HttpExchange {
    const isFirst = call.request.method === 'initialize'
    return this.#post(call.sent.bytes, {
      ...reply,
      onHead: (head) => {
        if (isFirst) this.#sessionId = sessionIdIn(head)
        reply.onHead?.(head)
      },
    })
  }

  resume(lastEventId: string, reply: Reply): HttpExchange {
    const after = lastEventId === '' ? [] : ['last-event-id', lastEventId]
    const headers = this.#headers([...acceptEvents, ...after])
    return this.#exchanges.start({ method: 'GET', headers, body: null }, this.#watched(reply))
  }

  takeBody(call: Call, bytes: Buffer, head: ReplyHead): void {
    if (this.#lost !== undefined) return
    const answer = readAnswer(bytes)
    if (this.#isUnknownSession(head, answer)) return this.#lose()
    if (answer !== undefined) return this.#calls.answerCall(call, answer)
    if (head.status < 300) this.takeEvent(call, bytes)
  }

  takeEvent(call: Call, data: Buffer): void {
    takeMessages(data, this.#server.onNoise, (message) => this.#take(message, call))
  }

  fail(call: Call, error: AppError): void {
    this.#calls.fail(call, this.#lost ?? error)
  }

  #cancel(call: Call, reason: string | undefined): void {
    if (!this.#calls.forget(call)) return
    const cancellation = makeCancellation(call, reason)
    if (cancellation !== undefined) this.#send(cancellation.bytes)
  }

  #take(message: RpcMessage, call: Call): void {
    if (message.kind === 'response') {
      if (message.id === null) this.#calls.answerCall(call, message)
      else this.#calls.answer(message)
    } else if (message.kind === 'request') {
      const ask = (respond: Respond) => call.sink.onRequest(message, respond)
      if (this.#calls.isRunning(call)) this.#answer(message, ask)
    } else if (!this.#calls.notify(message) && message.method !== progressMethod) {
      if (this.#calls.isRunning(call)) call.sink.onNotification(message)
    }
  }

  #takeUnsolicited(data: Buffer): void {
    takeMessages(data, this.#server.onNoise, (message) => {
      if (message.kind === 'response') this.#calls.answer(message)
      else if (message.kind === 'request') {
        this.#answer(message, (respond) => this.#listeners.ask(message, respond))
      } else if (!this.#calls.notify(message) && message.method !== progressMethod) {
        this.#listeners.notify(message)
      }
    })
  }

  #answer(request: RpcRequest, ask: (respond: Respond) => void): void {
    const respond = respondOnce(request, ({ bytes }) => this.#send(bytes))
    if (request.method === 'ping') respond(pong(request))
    else ask(respond)
  }

  #headers(own: readonly string[]): string[] {
    const all = [...own]
    if (this.#version !== undefined) all.push('mcp-protocol-version', this.#version)
    if (this.#sessionId !== undefined) all.push('mcp-session-id', this.#sessionId)
    return withConfigured(all, this.#server)
  }

  #post(body: Buffer, reply: Reply): HttpExchange {
    const headers = this.#headers(posted)
    return this.#exchanges.start({ method: 'POST', headers, body }, this.#watched(reply))
  }

  #send(body: Buffer): void {
    if (this.#end === undefined) this.#post(body, { onBody() {}, onEvent() {}, onEnd() {} })
  }

  /** Tells the server that the handshake is over, and waits until it knows. */
  #confirm(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    signal.throwIfAborted()
    const refusal = (status: number) =>
      new AppError('upstream_failed', `The server answered the handshake with status ${status}.`)
    const sent = this.#post(initialized.bytes, {
      onHead: ({ status }) => (status < 400 ? resolve() : reject(refusal(status))),
      onBody() {},
      onEvent() {},
      onEnd: (failure) => (failure === undefined ? resolve() : reject(failure)),
    })
    const abort = () => {
      sent.abort()
      reject(new AppError('upstream_timeout', 'The server did not answer the handshake in time.'))
    }
    signal.addEventListener('abort', abort, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', abort))
  }

  /** A reply that notices when the session is gone. */
  #watched(reply: Reply): Reply {
    return {
      ...reply,
      onHead: (head) => {
        if (head.status === 404 && this.#sessionId !== undefined) this.#lose()
        reply.onHead?.(head)
      },
    }
  }

  #isUnknownSession(head: ReplyHead, answer: ReturnType<typeof readAnswer>): boolean {
    if (head.status !== 400 || this.#sessionId === undefined || answer?.id !== null) return false
    return errorOf(answer)?.code === unknownSession
  }

  #lose(): void {
    if (this.#lost !== undefined) return
    const error = new AppError('session_not_found', 'The server has ended the session.')
    this.#lost = error
    // The parser of the pool, which has told us, allows for no new request meanwhile.
    queueMicrotask(() => {
      if (this.#end !== undefined) return
      this.#close(error)
      this.#closed.resolve(error)
    })
  }

  #close(error: AppError): void {
    this.#end = error
    this.#unsolicited.stop()
    this.#calls.failAll(error)
    this.#exchanges.abortAll()
  }

  /** Tells the server that the session is over, as a courtesy. */
  async #delete(): Promise<void> {
    if (this.#sessionId === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const headers = this.#headers(accept)
    const sent = this.#exchanges.start(
      { method: 'DELETE', headers, body: null },
      { onBody() {}, onEvent() {}, onEnd: () => resolve() },
    )
    const timer = setTimeout(() => {
      sent.abort()
      resolve()
    }, deleteMs)
    await promise
    clearTimeout(timer)
  }
}

function sessionIdIn({ headers }: ReplyHead): string | undefined {
  const id = headerIn(headers, 'mcp-session-id')
  return id !== undefined && /^[\x21-\x7e]+$/.test(id) ? id : undefined
}
