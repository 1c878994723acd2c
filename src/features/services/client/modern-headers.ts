import type { IncomingMessage } from 'node:http'
import type { RpcRequest } from '../wire/rpc-message.ts'
import { headerMismatch, type RequestParts } from './envelope.ts'
import { decodeHeaderValue } from '../wire/header-value.ts'

const paramPrefix = 'mcp-param-'

/** Which part of `params` the header `Mcp-Name` repeats. */
const nameSources: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
] as const)

/**
 * Compares the headers of a modern request with its body (2026-07-28, "Standard Request Headers"). Throws `RpcRefusal` for
 * one that is missing or differs. `version` is what the body says.
 */
export function checkHeaders(
  { headers }: IncomingMessage,
  request: RpcRequest,
  { parts, version }: { readonly parts: RequestParts; readonly version: string },
): void {
  const headerVersion = headerText(headers['mcp-protocol-version'])
  if (headerVersion !== version)
    throw headerMismatch('MCP-Protocol-Version', headerVersion, version)
  const method = headerText(headers['mcp-method'])
  if (method !== request.method) throw headerMismatch('Mcp-Method', method, request.method)
  const source = nameSources.get(request.method)
  const named = source === undefined ? undefined : parts[source]
  if (named === undefined) return
  const header = headerText(headers['mcp-name'])
  const decoded = header === undefined ? undefined : decodeHeaderValue(header)
  if (decoded !== named) throw headerMismatch('Mcp-Name', header, named)
}

/** The `Mcp-Param-*` headers as they came: a flat list name, value, …; undefined where there are none. */
export function paramHeaders({ rawHeaders }: IncomingMessage): readonly string[] | undefined {
  let found: string[] | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length <= paramPrefix.length || !name.toLowerCase().startsWith(paramPrefix)) continue
    found ??= []
    found.push(name, rawHeaders[index + 1] as string)
  }
  return found
}

/** The value of a header without the blanks around it; that of one sent twice is of no use. */
export function headerText(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  return Array.isArray(value) ? value.join(', ') : value.trim()
}
