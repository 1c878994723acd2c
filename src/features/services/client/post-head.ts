import { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint } from '../relay/relay.ts'
import { isJsonType, readAccept, type Acceptance } from './accept.ts'
import { headerText } from './modern-headers.ts'
import { invalidRequest } from './rpc-answer.ts'

/** One POST to an endpoint, before its body is known. */
export interface Post {
  readonly exchange: Exchange
  readonly caller: Caller
  readonly endpoint: Endpoint
  readonly acceptance: Acceptance
  /** Value of `Mcp-Session-Id`. */
  readonly sessionText: string | undefined
  /** Value of `MCP-Protocol-Version`. */
  readonly version: string | undefined
}

/** Reads the head of a POST. Throws `unsupported_media_type`. */
export function readPost(exchange: Exchange, caller: Caller, endpoint: Endpoint): Post {
  const { headers } = exchange.req
  const contentType = headers['content-type']
  if (contentType !== undefined && !isJsonType(contentType)) {
    throw new AppError('unsupported_media_type', 'The content type must be application/json.')
  }
  const acceptance = readAccept(headers.accept ?? '')
  const sessionText = headerText(headers['mcp-session-id'])
  const version = headerText(headers['mcp-protocol-version'])
  return { exchange, caller, endpoint, acceptance, sessionText, version }
}

/** Whether the request comes from a client that knows JSON-RPC over POST and nothing of MCP's transports. */
export function looksPlain({ req: { headers } }: Exchange): boolean {
  if (headers['mcp-session-id'] !== undefined || headers['mcp-method'] !== undefined) return false
  return !readAccept(headers.accept ?? '').events && headers['mcp-protocol-version'] === undefined
}

/** Throws `RpcRefusal` 406 unless both kinds of answer are accepted by name. */
export function requireBoth({ namesJson, events }: Acceptance): void {
  if (namesJson && events) return
  throw invalidRequest('Accept must list application/json and text/event-stream.', 406)
}
