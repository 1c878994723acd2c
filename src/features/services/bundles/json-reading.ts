import { scanObject } from '../../../net/json-scan.ts'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

/**
 * The value at the end of `path`, names of nested members, as it stands in `bytes`, one JSON object; undefined where
 * there is none. Of a repeated member the last counts, as for `JSON.parse`.
 */
export function rawAt(bytes: Buffer, path: readonly string[]): Buffer | undefined {
  let value: Buffer | undefined = bytes
  for (const name of path) {
    const range: { start: number; end: number } | undefined =
      value === undefined ? undefined : scanObject(value, new Set([name]))?.at(-1)
    if (range === undefined) return undefined
    value = value?.subarray(range.start, range.end)
  }
  return value
}

/** The text at the end of `path`; undefined where there is none, or something else than well-formed text of at most 64 KiB. */
export function textIn(bytes: Buffer, path: readonly string[]): string | undefined {
  const raw = rawAt(bytes, path)
  if (raw === undefined || raw.length > textBytesMax) return undefined
  const text = raw.toString()
  return jsonText.test(text) ? (JSON.parse(text) as string) : undefined
}

/** Names and URIs are shorter. */
const textBytesMax = 64 * 1024

/** A string of RFC 8259, section 7. */
const jsonText = /^"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"$/u

/**
 * The elements of the JSON array in `bytes`, as they stand there. The array has to be well-formed: whoever calls has
 * parsed it, and wants the letters as well.
 */
export function rawItems(bytes: Buffer): readonly string[] {
  const items: string[] = []
  let depth = 0
  let start = 1
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    if (byte === quote) at = stringEnd(bytes, at)
    else if (opens(byte)) depth += 1
    else if (closes(byte)) depth -= 1
    const isEnd = depth === 0 || (depth === 1 && byte === comma)
    if (!isEnd) continue
    const item = bytes.toString('utf8', start, at).trim()
    if (item !== '') items.push(item)
    start = at + 1
    if (depth === 0) break
  }
  return items
}

/** Index of the quote that closes the string whose opening quote is at `from`. */
function stringEnd(bytes: Buffer, from: number): number {
  let at = from + 1
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1
  return at
}

function opens(byte: number): boolean {
  return byte === 0x7b || byte === 0x5b
}

function closes(byte: number): boolean {
  return byte === 0x7d || byte === 0x5d
}
