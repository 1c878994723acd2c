const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const opening: ReadonlySet<number> = new Set([0x5b, 0x7b])
const closing: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Says whether `bytes`, white space aside, begin as a JSON array. */
export function beginsArray(bytes: Buffer): boolean {
  let at = 0
  while (isSpace(bytes[at])) at += 1
  return bytes[at] === 0x5b
}

/**
 * The elements of a JSON array as the bytes they are. What the elements hold is not looked at. undefined where `bytes` are
 * not one array, or one of more than `countMax` elements.
 */
export function splitArray(bytes: Buffer, countMax: number): Buffer[] | undefined {
  const text = trim(bytes)
  if (text[0] !== 0x5b || text.at(-1) !== 0x5d) return undefined
  const inner = trim(text.subarray(1, -1))
  if (inner.length === 0) return []
  const elements: Buffer[] = []
  let start = 0
  while (elements.length < countMax) {
    const end = endOfValue(inner, start)
    if (end < 0) return undefined
    elements.push(trim(inner.subarray(start, end)))
    if (end === inner.length) return elements
    start = end + 1
  }
  return undefined
}

/** Index of the comma behind the value that begins at `from`, or the length where it is the last; -1 where it never ends. */
function endOfValue(bytes: Buffer, from: number): number {
  let depth = 0
  let at = from
  while (at < bytes.length) {
    const byte = bytes[at] as number
    if (byte === quote) at = endOfString(bytes, at)
    else if (opening.has(byte)) depth += 1
    else if (closing.has(byte)) depth -= 1
    else if (byte === comma && depth === 0) return at
    if (at < 0 || depth < 0) return -1
    at += 1
  }
  return depth === 0 ? at : -1
}

/** Index of the quote that closes the string which the one at `from` opens; -1 where none does. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === backslash) at += 1
    else if (bytes[at] === quote) return at
  }
  return -1
}

function trim(bytes: Buffer): Buffer {
  let start = 0
  let end = bytes.length
  while (start < end && isSpace(bytes[start])) start += 1
  while (end > start && isSpace(bytes[end - 1])) end -= 1
  return bytes.subarray(start, end)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
