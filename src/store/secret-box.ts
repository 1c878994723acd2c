import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { AppError } from '../lib/errors.ts'

/** Seals secrets for storage and opens them again. */
export interface SecretBox {
  /**
   * Encrypts `text` for one place. `context` names that place as `table/row/field` and is bound to the result: sealed
   * text that was moved to another row does not open.
   */
  seal(text: string, context: string): string
  /** Throws `internal_error` when the text was altered, belongs elsewhere, or its key is not among ours. */
  open(sealed: string, context: string): string
  /** Says that `sealed` was not made with the first key, so that it should be sealed anew. */
  isStale(sealed: string): boolean
}

/** Fewest bytes of a master key. */
export const masterKeyBytesMin = 32

const version = 'v1'
const nonceBytes = 12
const tagBytes = 16
const keyIdLength = 8

/**
 * A secret box over one or more master keys: the first seals, all of them open, so that a key is rotated by putting a
 * new one in front and dropping the old one once nothing is stale.
 * Sealed text is `v1.<key id>.<base64url of nonce, ciphertext and tag>`, AES-256-GCM with a random 96-bit nonce and the
 * context as additional data. Each master key yields its cipher key through HKDF-SHA-256 (RFC 5869).
 */
export function createSecretBox(masterKeys: readonly Uint8Array[]): SecretBox {
  const [sealing, ...others] = masterKeys.map(deriveKey)
  if (!sealing) throw new AppError('internal_error', 'A secret box needs a master key.')
  const byId = new Map(
    [...others.toReversed(), sealing].map((derived) => [derived.id, derived.key]),
  )

  return {
    seal(text, context) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing.key, nonce)
      cipher.setAAD(additionalData(sealing.id, context))
      const body = Buffer.concat([
        nonce,
        cipher.update(text, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ])
      return `${version}.${sealing.id}.${body.toString('base64url')}`
    },
    open(sealed, context) {
      const { id, body } = parseSealed(sealed)
      const key = byId.get(id)
      if (!key) throw unreadable(`It was sealed with another master key (${id}).`)
      const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(additionalData(id, context))
      decipher.setAuthTag(body.subarray(-tagBytes))
      return finish(decipher, body.subarray(nonceBytes, -tagBytes))
    },
    isStale: (sealed) => parseSealed(sealed).id !== sealing.id,
  }
}

function deriveKey(masterKey: Uint8Array): { id: string; key: Uint8Array } {
  if (masterKey.byteLength < masterKeyBytesMin) {
    throw new AppError('invalid_config', `A master key has at least ${masterKeyBytesMin} bytes.`)
  }
  const key = new Uint8Array(hkdfSync('sha256', masterKey, '', 'portico/secret-box/v1', 32))
  // The id comes from the derived key, one hash further, and so gives nothing away about either.
  const id = createHash('sha256').update(key).digest('hex').slice(0, keyIdLength)
  return { id, key }
}

function additionalData(id: string, context: string): Buffer {
  return Buffer.from(`${version}.${id}.${context}`)
}

function parseSealed(sealed: string): { id: string; body: Buffer } {
  const [prefix, id, text, ...rest] = sealed.split('.')
  const body = Buffer.from(text ?? '', 'base64url')
  const isComplete = rest.length === 0 && body.length >= nonceBytes + tagBytes
  if (prefix !== version || id === undefined || !isComplete)
    throw unreadable('It is not sealed text.')
  return { id, body }
}

function finish(decipher: ReturnType<typeof createDecipheriv>, ciphertext: Uint8Array): string {
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8')
  } catch (cause) {
    throw unreadable('It was altered, or belongs to another place.', cause)
  }
}

function unreadable(reason: string, cause?: unknown): AppError {
  return new AppError('internal_error', `A stored secret cannot be read. ${reason}`, { cause })
}
