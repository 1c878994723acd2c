import { hash } from 'node:crypto'
import { randomBase58 } from '../../lib/ids.ts'

/** What is stored of a key’s text: enough to find it again and to recognise it, not enough to use it. */
export interface KeyDigest {
  /** SHA-256, lower-case hex. */
  readonly hash: string
  readonly prefix: string
  readonly last4: string
}

/** Shortest text of our own making or of a client’s that may become a key: below this it could be guessed. */
export const keyTextLengthMin = 16

/** Longest text that is looked up at all; everything longer is unknown without being hashed. */
export const keyTextLengthMax = 512

/** A new key: `ptk_` and 32 base58 characters, about 187 random bits. */
export function newKeyText(): string {
  return `ptk_${randomBase58(32)}`
}

/** The digest by which a key is looked up: SHA-256, lower-case hex. */
export function hashKeyText(text: string): string {
  return hash('sha256', text)
}

/** Everything that is stored of a text. A short one, chosen by somebody, shows less of itself. */
export function digestKeyText(text: string): KeyDigest {
  const isLong = text.length >= 32
  return {
    hash: hashKeyText(text),
    prefix: text.slice(0, isLong ? 8 : 2),
    last4: isLong ? text.slice(-4) : '',
  }
}
