import type { Upstream } from '../../../../net/outbound.ts'
import { remember } from '../../../../net/remember.ts'

/** An MCP server that is reached by HTTP. */
export interface HttpServer {
  readonly upstream: Upstream
  readonly url: URL
  /** The configured headers, flat list name, value, …; asked before each request. */
  readonly headers: () => readonly string[]
  /** Longest message that is accepted from it. */
  readonly messageBytesMax: number
  readonly onNoise: (text: string) => void
  /** Hears the status of each answer. */
  readonly onStatus?: ((status: number) => void) | undefined
}

/** Headers that the transport sets; configured ones of the same name are left out. */
const ownHeaders: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const isOwn = remember((name): boolean => ownHeaders.has(name.toLowerCase()))

/** `own` and the configured headers of a server, as one flat list. */
export function withConfigured(
  own: readonly string[],
  { headers }: Pick<HttpServer, 'headers'>,
): string[] {
  const all = [...own, 'accept-encoding', 'identity', 'user-agent', 'portico']
  const configured = headers()
  for (let at = 0; at + 1 < configured.length; at += 2) {
    const name = configured[at] as string
    if (!isOwn(name)) all.push(name, configured[at + 1] as string)
  }
  return all
}

/** The value of a header in a flat list, by lower-case name; the first where there are several. */
export function headerIn(headers: readonly string[], lowerName: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if ((headers[at] as string).toLowerCase() === lowerName) return headers[at + 1]
  }
  return undefined
}
