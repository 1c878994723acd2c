/** What goes over the wire in the benchmarks of services; load, mocks and set-up have to agree on it. */

/** The two eras of MCP. */
export type Era = 'legacy' | 'modern'

/** The revision that each era is spoken in. */
export const protocolVersions: Readonly<Record<Era, string>> = {
  legacy: '2025-11-25',
  modern: '2026-07-28',
}

/** Where MCP is spoken. */
export interface McpEndpoint {
  readonly port: number
  readonly path: string
  readonly era: Era
  /** Sent as a bearer token. */
  readonly key?: string
}

/** What `initialize` of the legacy era carries. */
export const initializeParams = {
  protocolVersion: protocolVersions.legacy,
  capabilities: {},
  clientInfo: { name: 'portico-benchmark', version: '1.0.0' },
}

/** The `_meta` that every request of the modern era carries. */
const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': protocolVersions.modern,
  'io.modelcontextprotocol/clientInfo': initializeParams.clientInfo,
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** The text that every tool of the mocks answers with. */
export const toolText = 'This is a simple text response for testing.'

/** Name of the only tool of the mock at this path: `/mcp/7` has another than `/mcp/8`. */
export function toolOf(path: string): string {
  const number = /^\/mcp\/(\d+)$/.exec(path)?.[1]
  return number === undefined ? 'test_simple_text' : `test_simple_text_${number}`
}

/** A message as text; with an id it is a request, without one a notification. */
export function formatMessage(
  era: Era,
  { id, method, params }: { id?: number; method: string; params?: object },
): string {
  const _meta = era === 'modern' ? { _meta: modernMeta } : {}
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, ..._meta } })
}

/** The headers of a message, in lower case. */
export function headersOf(
  { era, key }: McpEndpoint,
  about: { method: string; name?: string; sessionId?: string },
): Record<string, string> {
  const { method, name, sessionId } = about
  const isFirst = method === 'initialize'
  return {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(!isFirst && { 'mcp-protocol-version': protocolVersions[era] }),
    ...(sessionId !== undefined && { 'mcp-session-id': sessionId }),
    ...(era === 'modern' && { 'mcp-method': method }),
    ...(era === 'modern' && name !== undefined && { 'mcp-name': name }),
  }
}

/** The message in the body of an answer, which is JSON or a stream of events that ends with it. Undefined where there is none. */
export function readMessage(body: string): Record<string, unknown> | undefined {
  const text = body.startsWith('{') ? body : lastEvent(body)
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>)
}

function lastEvent(body: string): string | undefined {
  return body
    .split('\n')
    .findLast((line) => line.startsWith('data:') && line.length > 'data: '.length)
    ?.slice('data:'.length)
}
