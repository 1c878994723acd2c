import type { IncomingMessage } from 'node:http'
import type { Config } from '../../../config/schema.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { Exchange, Inbound } from '../../../net/exchange.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Caller, CallerAccess } from '../caller.ts'
import type { ServiceStatus } from '../instances/service-status.ts'
import type { Endpoint } from '../relay/relay.ts'
import type { Channel } from '../wire/channel.ts'

/** What a path below `/mcp` leads to. */
export interface ResolvedEndpoint {
  readonly endpoint: Endpoint
  /** What is left of the path: `''`, or beginning with `/`. */
  readonly rest: string
}

/** What the transports for MCP clients are handed. */
export interface McpFrontDependencies {
  readonly access: Pick<CallerAccess, 'authenticate'>
  /** Whom a request without any credential speaks for, where that is allowed. */
  readonly anonymousCaller: (inbound: Inbound) => Caller | undefined
  /**
   * Finds the endpoint that the segments of a path begin with: a name, an id or a configured path; no segment at all means
   * all services. `search` is the query, which may ask for another mode. undefined where there is none that the caller may know of.
   */
  readonly resolve: (
    caller: Caller,
    segments: readonly string[],
    search: string,
  ) => ResolvedEndpoint | undefined
  /**
   * Takes an HTTP+SSE connection of this name as it is, without a relay: resolves with the function that is handed its channel, or
   * undefined where the name is an ordinary endpoint. Rejects with what the client is to be refused with.
   */
  readonly channelRoute: (
    name: string,
    exchange: Exchange,
    caller: Caller,
  ) => Promise<(channel: Channel) => void> | undefined
  /** The body of `GET /mcp/{id}/health`. */
  readonly healthOf: (endpoint: Endpoint) => Promise<object>
  /** The state of the service behind an endpoint; undefined where it has none of its own. */
  readonly statusOf: (endpoint: Endpoint) => ServiceStatus['state'] | undefined
  /** The refusal of a request that a foreign web page had its browser send. */
  readonly findForeignOrigin: (req: IncomingMessage) => AppError | undefined
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
}

/** The part of the configuration that is read here. */
export interface McpFrontConfig extends Pick<
  Config['services'],
  | 'bodyBytesMax'
  | 'keepAliveMs'
  | 'maxDurationMs'
  | 'replayBytesMax'
  | 'sessionIdleMs'
  | 'sessionsMax'
  | 'sessionsPerKeyMax'
> {
  /** Longest silence while a body arrives. */
  readonly bodyTimeoutMs: number
}

/** What every transport is made of. */
export interface TransportContext {
  readonly dependencies: McpFrontDependencies
  readonly config: Live<McpFrontConfig>
}
