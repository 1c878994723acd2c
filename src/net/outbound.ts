import type { Readable } from 'node:stream'

/** One request to an upstream. */
export interface OutboundRequest {
  readonly method: string
  /** Path and query, starting with `/`. */
  readonly path: string
  /** Flat list name, value, …; no hop-by-hop headers, no `host`, no `content-length` when `body` is a Buffer. */
  readonly headers: readonly string[]
  /** A list of pieces is sent as if it were one. */
  readonly body: Uint8Array | readonly Uint8Array[] | Readable | null
}

/** In which phase an exchange with an upstream failed. */
export type OutboundPhase = 'connect' | 'headers' | 'body'

/**
 * Why an exchange with an upstream failed. `blocked`: its address must not be reached. `request`: the body that was
 * being sent failed, with an AppError as the cause; the upstream is not to blame.
 */
export interface OutboundFailure {
  readonly phase: OutboundPhase
  readonly kind: 'refused' | 'timeout' | 'broken' | 'blocked' | 'request'
  readonly cause: Error
}

/** Receives one response, in this order: start, any number of chunks, then end or failure. Nothing is called after `abort`. */
export interface ResponseSink {
  /** `headers`: flat list name, value, … as received. */
  onStart(status: number, headers: string[]): void
  /** Returns false to pause the upstream until `resume` is called. */
  onChunk(chunk: Buffer): boolean
  onEnd(): void
  onFailure(failure: OutboundFailure): void
}

/** The running exchange, as seen by whoever started it. */
export interface OutboundExchange {
  resume(): void
  /** Destroys the exchange and its connection; the sink hears nothing more. Idempotent. */
  abort(): void
}

/** Something that answers requests: a pool of connections to one origin, or a provider inside this process. */
export interface Upstream extends AsyncDisposable {
  /** Begins an exchange. Whatever happens, the sink hears nothing before this has returned. */
  send(request: OutboundRequest, sink: ResponseSink): OutboundExchange
}
