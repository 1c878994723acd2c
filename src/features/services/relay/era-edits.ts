import type { MemberEdit } from '../wire/json-edit.ts'
import { nestedBytes } from '../wire/json-member.ts'
import { envelopeKeys, metaKeys } from '../wire/meta-keys.ts'
import { latestModernVersion } from '../wire/protocol-versions.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import {
  editMessage,
  errorOf,
  unreadableAnswer,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { ClientProfile } from './relay.ts'

/** A request of a modern client for a legacy server: without its envelope, and without the answers of an earlier round. */
export function toLegacyRequest(request: RpcRequest): RpcRequest {
  const edits: MemberEdit[] = envelopeKeys.map((key) => ({
    path: ['params', '_meta', key],
    json: undefined,
  }))
  return editMessage(request, [...edits, ...withoutAnswers])
}

const withoutAnswers: readonly MemberEdit[] = [
  { path: ['params', 'inputResponses'], json: undefined },
  { path: ['params', 'requestState'], json: undefined },
]

/** A request of a legacy client for a modern server: with the envelope that says who asks. `level`: what it set with `logging/setLevel`. */
export function toModernRequest(
  request: RpcRequest,
  { capabilities, clientInfo }: Pick<ClientProfile, 'capabilities' | 'clientInfo'>,
  level: string | undefined,
): RpcRequest {
  const envelope: Record<string, unknown> = {
    [metaKeys.protocolVersion]: latestModernVersion,
    [metaKeys.clientCapabilities]: capabilities,
    [metaKeys.clientInfo]: clientInfo,
    ...(level === undefined ? {} : { [metaKeys.logLevel]: level }),
  }
  return editMessage(
    request,
    Object.entries(envelope).map(([key, value]) => ({
      path: ['params', '_meta', key],
      json: JSON.stringify(value),
    })),
  )
}

/** An answer of a legacy server for a modern client. */
export function toModernResponse(response: RpcResponse, method: string): RpcResponse {
  if (response.isError) {
    const isMissing = errorOf(response)?.code === rpcCodes.legacyResourceNotFound
    return isMissing ? withCode(response, rpcCodes.invalidParams) : response
  }
  const edits: MemberEdit[] = []
  if (resultTypeOf(response) === undefined) {
    edits.push({ path: ['result', 'resultType'], json: '"complete"' })
  }
  if (method === 'resources/read') {
    edits.push({ path: ['result', 'ttlMs'], json: '0' })
    edits.push({ path: ['result', 'cacheScope'], json: '"private"' })
  }
  return edited(response, edits)
}

/** An answer of a modern server for a legacy client. */
export function toLegacyResponse(response: RpcResponse, method: string): RpcResponse {
  if (response.isError) {
    const isMissing =
      method === 'resources/read' && errorOf(response)?.code === rpcCodes.invalidParams
    return isMissing ? withCode(response, rpcCodes.legacyResourceNotFound) : response
  }
  const edits: MemberEdit[] = ['resultType', 'ttlMs', 'cacheScope'].map((name) => ({
    path: ['result', name],
    json: undefined,
  }))
  if (!hasLegacyStructure(response))
    edits.push({ path: ['result', 'structuredContent'], json: undefined })
  return edited(response, edits)
}

/** An answer that cannot be edited is none that a client could read. */
function edited(response: RpcResponse, edits: readonly MemberEdit[]): RpcResponse {
  try {
    return editMessage(response, edits)
  } catch {
    return unreadableAnswer(response)
  }
}

/** The `resultType` of a result, as text; undefined where it has none. */
export function resultTypeOf({ bytes }: RpcResponse): string | undefined {
  const type = nestedBytes(bytes, 'result', 'resultType')
  return type?.toString('utf8', 1, type.length - 1)
}

/** Legacy revisions know structured content of objects alone. */
function hasLegacyStructure({ bytes }: RpcResponse): boolean {
  const content = nestedBytes(bytes, 'result', 'structuredContent')
  return content === undefined || content[0] === 0x7b
}

function withCode(response: RpcResponse, code: number): RpcResponse {
  return editMessage(response, [{ path: ['error', 'code'], json: String(code) }])
}
