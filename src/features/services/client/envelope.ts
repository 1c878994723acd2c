import { parseString, scanObject, type ScannedMember } from '../../../net/json-scan.ts'
import { isJsonObject, type JsonObject } from '../wire/json.ts'
import { envelopeKeys, metaKeys } from '../wire/meta-keys.ts'
import { isModernVersion, modernVersions } from '../wire/protocol-versions.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import type { RpcNotification, RpcRequest } from '../wire/rpc-message.ts'
import { attempt } from './attempt.ts'
import { RpcRefusal } from './rpc-answer.ts'
import type { Introduction } from './introduction.ts'

/** The parts of a message's `params` that tell its era and have to agree with its headers. */
export interface RequestParts {
  /** `_meta`, parsed; undefined where there is none or it is no object. */
  readonly meta: JsonObject | undefined
  readonly name: string | undefined
  readonly uri: string | undefined
  readonly taskId: string | undefined
}

const paramsMember: ReadonlySet<string> = new Set(['params'])
const partMembers: ReadonlySet<string> = new Set(['_meta', 'name', 'uri', 'taskId'])
/** What all keys of the envelope begin with, up to the slash, which JSON may write with a backslash before it. */
const marker = Buffer.from('io.modelcontextprotocol')

/** Says whether a message can have an envelope at all, without looking at its structure. */
export function mayHaveEnvelope({ bytes }: RpcRequest | RpcNotification): boolean {
  return bytes.includes(marker)
}

/** Reads the parts; the rest of `params` stays bytes. */
export function readParts({ bytes }: RpcRequest | RpcNotification): RequestParts {
  const params = scanObject(bytes, paramsMember)?.at(-1)
  const body = params === undefined ? undefined : bytes.subarray(params.start, params.end)
  const found = new Map<string, ScannedMember>()
  const members = body === undefined ? undefined : scanObject(body, partMembers)
  for (const member of members ?? []) found.set(member.key, member)
  const text = (key: string) => {
    const member = found.get(key)
    return body === undefined || member === undefined ? undefined : parseString(body, member)
  }
  const meta = found.get('_meta')
  return {
    meta:
      body === undefined || meta === undefined
        ? undefined
        : parseObject(body.toString('utf8', meta.start, meta.end)),
    name: text('name'),
    uri: text('uri'),
    taskId: text('taskId'),
  }
}

function parseObject(json: string): JsonObject | undefined {
  const read = attempt((): unknown => JSON.parse(json))
  return read.isOk && isJsonObject(read.value) ? read.value : undefined
}

/**
 * Says whether a message claims to be of revision 2026-07-28 or later; a malformed claim counts. `initialize` exists only
 * before, so a client that sends it is modern only where it says so in so many words.
 */
export function claimsModern(method: string, { meta }: RequestParts): boolean {
  if (meta === undefined) return false
  if (method !== 'initialize') return envelopeKeys.some((key) => key in meta)
  const version = meta[metaKeys.protocolVersion]
  return typeof version === 'string' && isModernVersion(version)
}

/**
 * Reads the envelope of a modern request: the client as it introduces itself in each of them. Throws `RpcRefusal`: invalid
 * params for a part that is missing or of the wrong type, unsupported version for a revision that is not spoken.
 */
export function readEnvelope(
  { meta }: RequestParts,
  headerVersion: string | undefined,
): Introduction {
  if (meta === undefined) throw badEnvelope('_meta', 'missing')
  const version = meta[metaKeys.protocolVersion]
  const capabilities = meta[metaKeys.clientCapabilities]
  const clientInfo = meta[metaKeys.clientInfo] ?? {}
  if (version === undefined) throw badEnvelope(metaKeys.protocolVersion, 'missing')
  if (typeof version !== 'string') throw badEnvelope(metaKeys.protocolVersion, 'not text')
  if (capabilities === undefined) throw badEnvelope(metaKeys.clientCapabilities, 'missing')
  if (!isJsonObject(capabilities)) throw badEnvelope(metaKeys.clientCapabilities, 'not an object')
  if (!isJsonObject(clientInfo)) throw badEnvelope(metaKeys.clientInfo, 'not an object')
  if (headerVersion !== undefined && headerVersion !== version) {
    throw headerMismatch('MCP-Protocol-Version', headerVersion, version)
  }
  if (!isModernVersion(version)) throw unsupportedVersion(version)
  return { protocolVersion: version, capabilities, clientInfo }
}

/** The revision that a notification claims; undefined where it claims none. Throws `RpcRefusal` where the header says something else. */
export function readClaimedVersion(
  { meta }: RequestParts,
  headerVersion: string | undefined,
): string | undefined {
  const version = meta?.[metaKeys.protocolVersion]
  if (version === undefined) return undefined
  if (typeof version !== 'string') throw badEnvelope(metaKeys.protocolVersion, 'not text')
  if (headerVersion === undefined || headerVersion === version) return version
  throw headerMismatch('MCP-Protocol-Version', headerVersion, version)
}

function badEnvelope(key: string, problem: string): RpcRefusal {
  const message = `Invalid params: ${key} is ${problem}.`
  const data = { envelope: { key, problem } }
  return new RpcRefusal(400, new RpcError(rpcCodes.invalidParams, message, data))
}

/** The refusal of a revision that is not spoken. */
export function unsupportedVersion(requested: string): RpcRefusal {
  const data = { supported: modernVersions, requested }
  const error = new RpcError(rpcCodes.unsupportedVersion, 'Unsupported protocol version', data)
  return new RpcRefusal(400, error)
}

/** The refusal of a request whose header and body differ; `header` is undefined where it is missing. */
export function headerMismatch(name: string, header: string | undefined, body: string): RpcRefusal {
  const said = header === undefined ? 'is missing' : `says "${header}"`
  const message = `Header mismatch: ${name} ${said}, and the body says "${body}".`
  return new RpcRefusal(400, new RpcError(rpcCodes.headerMismatch, message))
}
