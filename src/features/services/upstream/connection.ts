import type { AppError } from '../../../lib/errors.ts'
import type { JsonObject } from '../wire/json.ts'
import type { Era } from '../wire/protocol-versions.ts'
import type { RpcNotification, RpcRequest, RpcResponse } from '../wire/rpc-message.ts'

/** What a server says of itself, by `initialize` or `server/discover`. */
export interface ServerHello {
  readonly era: Era
  /** The revision that is spoken with it. */
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly serverInfo: JsonObject
  readonly instructions: string | undefined
  /** The whole result as it came. */
  readonly result: JsonObject
}

/** As what Portico introduces itself to a server. */
export interface ClientHello {
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
}

/** Answers a request of the server. The id of the answer does not matter; it is replaced. */
export type Respond = (answer: RpcResponse) => void

/** Hears of one call, in this order: headers, any number of notifications and requests, then a response or a failure. Nothing after that, nor after `cancel`. */
export interface CallSink {
  /** HTTP headers for the answer, a flat list name, value, …; before anything else, where there are any. */
  onHeaders?(headers: readonly string[]): void
  /** Progress, with the token of the request, and what else belongs to this call. */
  onNotification(notification: RpcNotification): void
  /** The server asks the client something because of this call. */
  onRequest(request: RpcRequest, respond: Respond): void
  /** The answer, under the id of the request. */
  onResponse(response: RpcResponse): void
  /** There will be no answer: the connection or the server is gone, or said something that cannot be understood. */
  onFailure(error: AppError): void
}

/** A call under way. */
export interface RunningCall {
  /** Gives the call up and tells the server. The sink hears nothing more. Idempotent. */
  cancel(reason?: string): void
}

/** Hears what a server sends that belongs to no call, or to which is not known. */
export interface ConnectionListener {
  onNotification(notification: RpcNotification): void
  onRequest(request: RpcRequest, respond: Respond): void
}

/** How a call is to be sent. */
export interface CallOptions {
  /** `Mcp-Param-*` headers for a modern upstream over HTTP: a flat list name, value, … */
  readonly paramHeaders?: readonly string[]
}

/**
 * One connection to one MCP server, after its handshake. Many clients may share it: ids and progress tokens of requests
 * are replaced by own ones on the way up and restored on the way down. Messages are otherwise not changed; a modern
 * request must have its envelope already.
 */
export interface Connection extends AsyncDisposable {
  readonly era: Era
  readonly hello: ServerHello
  /** Whether a request of the server comes on the stream of the call that caused it (HTTP), or could belong to any (stdio, SSE, WebSocket). */
  readonly attributesRequests: boolean
  /** Calls under way. */
  readonly running: number
  request(request: RpcRequest, sink: CallSink, options?: CallOptions): RunningCall
  notify(notification: RpcNotification): void
  /** Returns the function that ends it. */
  listen(listener: ConnectionListener): () => void
  /** Resolves when it is over; with the reason, unless it was disposed of. Calls under way have failed by then. */
  readonly closed: Promise<AppError | undefined>
}
