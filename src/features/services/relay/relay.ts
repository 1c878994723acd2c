import type { Caller } from '../caller.ts'
import type {
  CallOptions,
  CallSink,
  ConnectionListener,
  RunningCall,
} from '../upstream/connection.ts'
import type { JsonObject } from '../wire/json.ts'
import type { Era } from '../wire/protocol-versions.ts'
import type { RpcNotification, RpcRequest } from '../wire/rpc-message.ts'

/** A client of an MCP endpoint, as it introduced itself: in `initialize`, or in the request at hand. */
export interface ClientProfile {
  readonly era: Era
  readonly caller: Caller
  /** What isolates this client from others of the same key: the id of its session; undefined where it has none. */
  readonly sessionId: string | undefined
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
}

/** One request of a client with what the transport knows of it. */
export interface ClientCall extends CallOptions {
  readonly request: RpcRequest
  /** Our id of the HTTP request or WebSocket, for the log and the usage row. */
  readonly requestId: string
  /** Of a client that knows plain JSON-RPC alone: every request counts towards the limit of the service, and hears so. */
  readonly isPlain?: true
}

/**
 * What one client has behind an MCP URL: a service, or several as one. It speaks the era of the client, whatever the
 * servers behind speak: a modern client gets no requests (`CallSink.onRequest` is not called) but `input_required` results.
 *
 * Every method of the client's era is passed to `request`, the handshake and `server/discover`, `ping`,
 * `logging/setLevel`, `resources/subscribe` and `subscriptions/listen` included; transports answer nothing by themselves.
 * An unknown or refused method is answered with a JSON-RPC error in `onResponse`; `onFailure` is for what the server
 * behind did not survive. Disposing of a relay cancels what it has under way and frees what was held for the client.
 */
export interface Relay extends AsyncDisposable {
  request(call: ClientCall, sink: CallSink): RunningCall
  /** `notifications/initialized`, `notifications/cancelled`, `notifications/roots/list_changed` and so on. */
  notify(notification: RpcNotification): void
  /** What belongs to no call, for the one stream of a legacy client that is open for it. Returns the function that ends it. */
  listen(listener: ConnectionListener): () => void
  /** Resolves when the client has to begin anew, because a server that kept state for it is gone. Never rejects. */
  readonly lost: Promise<void>
}

/** Something that has an MCP URL. */
export interface Endpoint {
  readonly id: string
  readonly workspaceId: string
  /** As in the URL. */
  readonly name: string
  /** Makes the relay of one client; whoever opened it disposes of it. Nothing is started before the first request. */
  open(profile: ClientProfile): Relay
}
