import { attempt } from './attempt.ts'
import { isJsonObject, objectAt, textAt, type JsonObject } from '../wire/json.ts'
import type { SecretBox } from '../../../store/secret-box.ts'

/** What the id of a legacy session holds, so that a session can be taken up again by a process that does not know it. */
export interface SealedSession {
  /** 128 random bits, base64url: names the session among ours. */
  readonly id: string
  readonly keyId: string
  readonly endpointId: string
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  /** Epoch ms. */
  readonly expiresAt: number
}

const context = 'mcp/session/id'
/** Clients send the id with every request, and a head has little room. */
const lengthMax = 4_096
const visible = /^[\x21-\x7e]+$/

/**
 * The value of `Mcp-Session-Id`: encrypted, and not to be altered. What would make it too long for a header is left out:
 * first what the client says of itself, then its capabilities.
 */
export function sealSessionId(box: SecretBox, session: SealedSession): string {
  const { id, keyId, endpointId, protocolVersion, capabilities, clientInfo, expiresAt } = session
  const core = { i: id, k: keyId, e: endpointId, v: protocolVersion, x: expiresAt }
  const whole = seal(box, { ...core, c: capabilities, n: clientInfo })
  if (whole.length <= lengthMax) return whole
  const nameless = seal(box, { ...core, c: capabilities })
  return nameless.length <= lengthMax ? nameless : seal(box, core)
}

/** Reads such a value; undefined for anything that is none of ours. */
export function openSessionId(box: SecretBox, text: string): SealedSession | undefined {
  if (text.length > lengthMax || !visible.test(text)) return undefined
  const value = unseal(box, text)
  const id = textAt(value, 'i')
  const keyId = textAt(value, 'k')
  const endpointId = textAt(value, 'e')
  const protocolVersion = textAt(value, 'v')
  const expiresAt = isJsonObject(value) ? value.x : undefined
  if (id === undefined || keyId === undefined || endpointId === undefined) return undefined
  if (protocolVersion === undefined || typeof expiresAt !== 'number') return undefined
  const capabilities = objectAt(value, 'c')
  const clientInfo = objectAt(value, 'n')
  return { id, keyId, endpointId, protocolVersion, capabilities, clientInfo, expiresAt }
}

function seal(box: SecretBox, value: object): string {
  return box.seal(JSON.stringify(value), context)
}

function unseal(box: SecretBox, text: string): unknown {
  const read = attempt((): unknown => JSON.parse(box.open(text, context)))
  return read.isOk ? read.value : undefined
}
