import { randomBytes, randomUUID } from 'node:crypto'

const base58Alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** A random string of `length` base58 characters (Bitcoin alphabet), about 5.86 bits each, without modulo bias. */
export function randomBase58(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 232 is the largest multiple of 58 in a byte; what lies above would favour the first characters.
      if (byte < 232 && text.length < length) text += base58Alphabet[byte % 58]
    }
  }
  return text
}

/** A new row id: a UUID with the given prefix and an underscore, e.g. `prov_1b4e…`. */
export function newId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`
}
