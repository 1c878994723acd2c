import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Where in a request a gateway credential was found. */
export type Carrier =
  | 'authorization'
  | 'x-api-key'
  | 'apikey'
  | 'api-key'
  | 'x-goog-api-key'
  | 'query'

/** One credential as presented, not yet verified. */
export interface PresentedCredential {
  readonly carrier: Carrier
  readonly text: string
}

/** What the access line of a request says beyond method, path and status. Features fill it in as they learn it. */
interface AccessNote {
  plane: 'data' | 'management' | 'server'
  keyId?: string
  model?: string
  provider?: string
  error?: string
  abortedBy?: 'client' | 'upstream' | 'timeout'
}

/** One request that has passed the front door: framing, Host and Origin are checked, credentials are out of the query. */
export interface Inbound {
  readonly req: IncomingMessage
  /** Our request id; goes out as `x-gateway-request-id` and into every log line. */
  readonly id: string
  /** Normalised path, percent-encoding kept, no dot segments, starts with one `/`. */
  readonly path: string
  /** `''`, or `?` and the query without `apiKey`, `api_key` and `key`. */
  readonly search: string
  readonly credentials: readonly PresentedCredential[]
  /** Address of the client: the peer, or the right-most untrusted hop behind a trusted proxy. */
  readonly ip: string
  /** `performance.now()` at arrival. */
  readonly startedAt: number
  readonly note: AccessNote
}

/** A request that is answered with a response. */
export interface Exchange extends Inbound {
  readonly res: ServerResponse
}

/** A request to switch protocols (WebSocket). The receiver owns the socket and must answer or destroy it. */
export interface UpgradeRequest extends Inbound {
  readonly socket: Duplex
  readonly head: Buffer
}
