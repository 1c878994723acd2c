import { scanObject, type ByteRange } from '../../../net/json-scan.ts'
import type { MemberEdit } from './json-edit.ts'
import { editJson } from './json-edit.ts'
import { isJsonObject, parseJson, type JsonObject } from './json.ts'
import { RpcError, rpcCodes } from './rpc-error.ts'

/** The id of a request as JSON text: `1` and `"1"` are two ids, and come back as they were written. */
export type IdText = string

/** A request: bytes of one JSON object, and what had to be read of it. */
export interface RpcRequest {
  readonly kind: 'request'
  readonly bytes: Buffer
  readonly id: IdText
  readonly method: string
}

/** A message that nobody answers. */
export interface RpcNotification {
  readonly kind: 'notification'
  readonly bytes: Buffer
  readonly method: string
}

/** The answer to a request. `id` is null where the other side could not read that of the request. */
export interface RpcResponse {
  readonly kind: 'response'
  readonly bytes: Buffer
  readonly id: IdText | null
  readonly isError: boolean
}

/** One JSON-RPC 2.0 message. The bytes are relayed; nothing is parsed that need not be. */
export type RpcMessage = RpcRequest | RpcNotification | RpcResponse

const members: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'result', 'error'])

/** Reads one message. Throws RpcError: parse error where the bytes are no JSON object, invalid request where that is no message. */
export function parseMessage(bytes: Buffer): RpcMessage {
  const found = scanObject(bytes, members)
  if (found === undefined) throw unreadable(bytes)
  let id: IdText | null | undefined
  let method: string | undefined
  let outcome: 'result' | 'error' | undefined
  let isVersion2 = false
  for (const { key, start, end } of found) {
    if (key === 'id') id = idAt(bytes, { start, end })
    else if (key === 'method') method = textOf(bytes, { start, end })
    else if (key === 'jsonrpc') isVersion2 = textOf(bytes, { start, end }) === '2.0'
    else outcome = key as 'result' | 'error'
  }
  if (!isVersion2) throw invalid()
  if (method !== undefined) {
    if (id === undefined) return { kind: 'notification', bytes, method }
    if (id === null) throw invalid()
    return { kind: 'request', bytes, id, method }
  }
  if (outcome === undefined || id === undefined) throw invalid()
  return { kind: 'response', bytes, id, isError: outcome === 'error' }
}

/** The text of an id, null for `null`. Throws RpcError for what is neither text nor a number. */
function idAt(bytes: Buffer, { start, end }: ByteRange): IdText | null {
  const text = bytes.toString('utf8', start, end)
  if (text === 'null') return null
  if (plainId.test(text)) return text
  const value = parseJson(text)
  if (typeof value === 'string' || typeof value === 'number') return text
  throw invalid()
}

/** What needs no further look: it is written into other messages, which it must not break. */
const plainId = /^(?:"[^"\\\p{Cc}]*"|-?[1-9]\d{0,14}|0)$/u

function textOf(bytes: Buffer, { start, end }: ByteRange): string | undefined {
  const text = bytes.toString('utf8', start, end)
  if (!text.startsWith('"')) return undefined
  if (!text.includes('\\')) return text.slice(1, -1)
  const value = parseJson(text)
  if (typeof value === 'string') return value
  throw new RpcError(rpcCodes.parseError, 'Parse error')
}

function unreadable(bytes: Buffer): RpcError {
  // The scan accepts nothing that is no object; only what could be parsed is a message of the wrong form.
  const isJson = parseJson(bytes.toString()) !== undefined
  return isJson ? invalid() : new RpcError(rpcCodes.parseError, 'Parse error')
}

function invalid(): RpcError {
  return new RpcError(rpcCodes.invalidRequest, 'Invalid Request')
}

const paramsMember: ReadonlySet<string> = new Set(['params'])
const resultMember: ReadonlySet<string> = new Set(['result'])
const errorMember: ReadonlySet<string> = new Set(['error'])

/** The `params` of a message, parsed; an empty object where there are none or they are no object. Throws RpcError where they are no JSON. */
export function paramsOf(message: RpcRequest | RpcNotification): JsonObject {
  return memberOf(message.bytes, paramsMember)
}

/** The `result` of a response, parsed; an empty object where there is none. Throws RpcError where it is no JSON. */
export function resultOf(response: RpcResponse): JsonObject {
  return memberOf(response.bytes, resultMember)
}

/** The `error` of a response, parsed; undefined where it is a result. */
export function errorOf(response: RpcResponse): RpcError | undefined {
  if (!response.isError) return undefined
  const { code, message, data } = memberOf(response.bytes, errorMember)
  return new RpcError(
    typeof code === 'number' ? code : rpcCodes.internalError,
    typeof message === 'string' ? message : 'The server reported an error.',
    data,
  )
}

function memberOf(bytes: Buffer, name: ReadonlySet<string>): JsonObject {
  const range = scanObject(bytes, name)?.at(-1)
  if (range === undefined) return {}
  const value = parseJson(bytes.toString('utf8', range.start, range.end))
  // The scan lets errors inside nested values pass.
  if (value === undefined) throw new RpcError(rpcCodes.parseError, 'Parse error')
  return isJsonObject(value) ? value : {}
}

/** The same message with edits made to it. */
export function editMessage<Message extends RpcMessage>(
  message: Message,
  edits: readonly MemberEdit[],
): Message {
  return edits.length === 0 ? message : { ...message, bytes: editJson(message.bytes, edits) }
}

/** The same request or response under another id. */
export function withId<Message extends RpcRequest | RpcResponse>(
  message: Message,
  id: IdText,
): Message {
  if (message.id === id) return message
  return { ...message, id, bytes: editJson(message.bytes, [{ path: ['id'], json: id }]) }
}

/** Makes a request. */
export function makeRequest(id: IdText, method: string, params?: JsonObject): RpcRequest {
  return { kind: 'request', id, method, bytes: frame(`"id":${id},`, method, params) }
}

/** Makes a notification. */
export function makeNotification(method: string, params?: JsonObject): RpcNotification {
  return { kind: 'notification', method, bytes: frame('', method, params) }
}

function frame(id: string, method: string, params: JsonObject | undefined): Buffer {
  const tail = params === undefined ? '' : `,"params":${JSON.stringify(params)}`
  return Buffer.from(`{"jsonrpc":"2.0",${id}"method":${JSON.stringify(method)}${tail}}`)
}

/** Makes the response that carries `result`. */
export function makeResult(id: IdText, result: JsonObject): RpcResponse {
  return makeRawResult(id, JSON.stringify(result))
}

/** Makes the response whose result is JSON text already. */
export function makeRawResult(id: IdText, resultJson: string): RpcResponse {
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":${resultJson}}`)
  return { kind: 'response', bytes, id, isError: false }
}

/** What stands for an answer of a server that is no JSON inside. */
export function unreadableAnswer({ id }: Pick<RpcResponse, 'id'>): RpcResponse {
  const message = 'The answer of the server cannot be read.'
  return makeError(id, new RpcError(rpcCodes.internalError, message))
}

/** Makes the response that carries an error. */
export function makeError(id: IdText | null, error: RpcError): RpcResponse {
  const { code, message, data } = error
  const body = JSON.stringify({ code, message, ...(data === undefined ? {} : { data }) })
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${id ?? 'null'},"error":${body}}`)
  return { kind: 'response', bytes, id, isError: true }
}
