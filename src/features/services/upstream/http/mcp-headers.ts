import { encodeHeaderValue } from '../../wire/header-value.ts'
import type { RpcNotification, RpcRequest } from '../../wire/rpc-message.ts'
import { metaKeys } from '../../wire/meta-keys.ts'
import { memberPath, memberText, stringOf, type MemberPath } from '../members.ts'

const versionPath = memberPath('params', '_meta', metaKeys.protocolVersion)
const namePath = memberPath('params', 'name')
const uriPath = memberPath('params', 'uri')
const taskPath = memberPath('params', 'taskId')

const namedBy: ReadonlyMap<string, MemberPath> = new Map([
  ['tools/call', namePath],
  ['prompts/get', namePath],
  ['resources/read', uriPath],
  ['tasks/get', taskPath],
  ['tasks/update', taskPath],
  ['tasks/cancel', taskPath],
])

/**
 * The headers that revision 2026-07-28 wants to agree with the body of a message: version, method and name, as a flat list.
 * `version` is for messages without an envelope.
 */
export function mirrorHeaders(message: RpcRequest | RpcNotification, version: string): string[] {
  const { bytes, method } = message
  const spoken = stringOf(memberText(bytes, versionPath)) ?? version
  const headers = [
    'mcp-protocol-version',
    encodeHeaderValue(spoken),
    'mcp-method',
    encodeHeaderValue(method),
  ]
  const path = namedBy.get(method)
  const name = path === undefined ? undefined : stringOf(memberText(bytes, path))
  if (name !== undefined) headers.push('mcp-name', encodeHeaderValue(name))
  return headers
}
