import { scanObject } from '../../../net/json-scan.ts'
import { editJson } from '../wire/json-edit.ts'
import { parseJson } from '../wire/json.ts'
import {
  parseMessage,
  unreadableAnswer,
  type RpcMessage,
  type RpcResponse,
} from '../wire/rpc-message.ts'

const noiseCharactersMax = 2_000

/**
 * The messages in what a server sent: one, or several where it speaks revision 2025-03-26 and sends a batch.
 * What is no JSON-RPC is given to `onNoise`, shortened, and skipped.
 */
function readMessages(bytes: Buffer, onNoise: (text: string) => void): RpcMessage[] {
  const only = readMessage(bytes)
  if (only !== undefined) return [only]
  const messages: RpcMessage[] = []
  for (const element of splitArray(bytes) ?? [bytes]) {
    const message = element === bytes ? undefined : readMessage(element)
    if (message === undefined) onNoise(element.toString('utf8', 0, noiseCharactersMax))
    else messages.push(message)
  }
  return messages
}

/**
 * Hands over the messages in what a server sent, one after the other. Whatever it made them of, others go on: one that
 * cannot be dealt with is given to `onNoise` as well.
 */
export function takeMessages(
  bytes: Buffer,
  onNoise: (text: string) => void,
  take: (message: RpcMessage) => void,
): void {
  for (const message of readMessages(bytes, onNoise)) {
    try {
      take(message)
    } catch (error) {
      onNoise(`A message of the server could not be taken: ${String(error)}`)
    }
  }
}

/**
 * The answer that the body of an HTTP response is, undefined where it is something else. The id does not matter where
 * one request was sent, so that of an error may be missing, as servers have it that could not read the request.
 */
export function readAnswer(bytes: Buffer): RpcResponse | undefined {
  const message = readMessage(bytes) ?? readMessage(withNullId(bytes))
  return message?.kind === 'response' ? message : undefined
}

const idMember: ReadonlySet<string> = new Set(['id'])

function withNullId(bytes: Buffer): Buffer {
  const isIdMissing = scanObject(bytes, idMember)?.length === 0
  return isIdMissing ? editJson(bytes, [{ path: ['id'], json: 'null' }]) : bytes
}

function readMessage(bytes: Buffer): RpcMessage | undefined {
  try {
    return soundly(parseMessage(bytes))
  } catch {
    return undefined
  }
}

/**
 * The message, if everything that is ever parsed of it can be; an error that cannot is another one. Results are relayed
 * as they are, and may be long; all else is short, and read by whoever passes it on.
 */
function soundly(message: RpcMessage): RpcMessage | undefined {
  if (message.kind === 'response' && !message.isError) return message
  if (parseJson(message.bytes.toString()) !== undefined) return message
  return message.kind === 'response' ? unreadableAnswer(message) : undefined
}

/** The elements of a JSON array of objects; undefined where it is none. What is inside them is not looked at. */
function splitArray(bytes: Buffer): Buffer[] | undefined {
  const open = bytes.findIndex((byte) => byte > 0x20)
  if (bytes[open] !== 0x5b) return undefined
  const elements: Buffer[] = []
  let depth = 0
  let start = 0
  for (let at = open + 1; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === 0x22) at = closingQuote(bytes, at)
    else if (byte === 0x7b) {
      if (depth === 0) start = at
      depth += 1
    } else if (byte === 0x7d) {
      depth -= 1
      if (depth === 0) elements.push(bytes.subarray(start, at + 1))
    }
  }
  return depth === 0 && elements.length > 0 ? elements : undefined
}

function closingQuote(bytes: Buffer, open: number): number {
  let at = open + 1
  while (at < bytes.length && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1
  return at
}
