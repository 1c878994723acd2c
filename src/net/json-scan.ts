/** Byte range of one value, end exclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** One member of a scanned object: its key, where that begins, and the range of its value. */
export interface ScannedMember extends ByteRange {
  readonly key: string
  /** Index of the opening quote of the key. */
  readonly keyStart: number
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** Bytes that JSON allows outside strings: white space, structure, and what literals and numbers are made of. */
const allowedOutsideStrings = new Uint8Array(256)
for (const character of ' \t\r\n{}[],:+-.0123456789eEtrufalsn') {
  allowedOutsideStrings[character.charCodeAt(0)] = 1
}

/** Shorter strings are scanned byte by byte; beyond, a native search pays for its call. */
const nativeSearchAfter = 24

/**
 * Walks the members of the JSON object in `bytes` without parsing their values, and returns those whose key is in
 * `keys`, in order of appearance, repetitions included. Keys written with escapes are recognised.
 * Returns `undefined` if `bytes` is not one JSON object. Everything that `JSON.parse` accepts as an object is
 * accepted; of what it refuses, errors inside nested values may pass (RFC 8259).
 */
export function scanObject(
  bytes: Buffer,
  keys: ReadonlySet<string>,
): readonly ScannedMember[] | undefined {
  return scan(bytes, keys)
}

/** The same for all members, whatever their key. */
export function scanMembers(bytes: Buffer): readonly ScannedMember[] | undefined {
  return scan(bytes, undefined)
}

function scan(
  bytes: Buffer,
  keys: ReadonlySet<string> | undefined,
): readonly ScannedMember[] | undefined {
  const members: ScannedMember[] = []
  const open = skipSpace(bytes, 0)
  if (bytes[open] !== openBrace) return undefined
  let at = skipSpace(bytes, open + 1)
  let isClosed = bytes[at] === closeBrace
  while (!isClosed) {
    const member = scanMember(bytes, at)
    if (member === undefined) return undefined
    const key = keyAt(bytes, member.key)
    if (key === undefined) return undefined
    const { start, end } = member.value
    if (keys?.has(key) !== false) members.push({ key, keyStart: member.key.start, start, end })
    at = skipSpace(bytes, member.value.end)
    isClosed = bytes[at] === closeBrace
    if (isClosed) break
    if (bytes[at] !== comma) return undefined
    at = skipSpace(bytes, at + 1)
  }
  return skipSpace(bytes, at + 1) === bytes.length ? members : undefined
}

/** The ranges of the elements of the JSON array in `bytes`; `undefined` if it is not one. As tolerant as `scanObject`. */
export function scanElements(bytes: Buffer): readonly ByteRange[] | undefined {
  const elements: ByteRange[] = []
  const open = skipSpace(bytes, 0)
  if (bytes[open] !== openBracket) return undefined
  let at = skipSpace(bytes, open + 1)
  let isClosed = bytes[at] === closeBracket
  while (!isClosed) {
    const end = skipValue(bytes, at)
    if (end < 0) return undefined
    elements.push({ start: at, end })
    at = skipSpace(bytes, end)
    isClosed = bytes[at] === closeBracket
    if (isClosed) break
    if (bytes[at] !== comma) return undefined
    at = skipSpace(bytes, at + 1)
  }
  return skipSpace(bytes, at + 1) === bytes.length ? elements : undefined
}

/** One `"key": value`, where the key has to be. */
function scanMember(bytes: Buffer, at: number): { key: ByteRange; value: ByteRange } | undefined {
  if (bytes[at] !== quote) return undefined
  const keyEnd = skipString(bytes, at + 1)
  if (keyEnd < 0) return undefined
  const separator = skipSpace(bytes, keyEnd)
  if (bytes[separator] !== colon) return undefined
  const start = skipSpace(bytes, separator + 1)
  const end = skipValue(bytes, start)
  return end < 0 ? undefined : { key: { start: at, end: keyEnd }, value: { start, end } }
}

/** A range to be replaced. */
export interface Edit extends ByteRange {
  readonly value: Buffer
}

/**
 * `bytes` with the edits made, which do not overlap, as a list of pieces. Nothing is copied: a body may be long, and what
 * is replaced in it is short.
 */
export function applyEdits(bytes: Buffer, edits: readonly Edit[]): readonly Buffer[] {
  const pieces: Buffer[] = []
  let from = 0
  for (const { start, end, value } of edits.toSorted((one, other) => one.start - other.start)) {
    pieces.push(bytes.subarray(from, start), value)
    from = end
  }
  pieces.push(bytes.subarray(from))
  return pieces
}

function keyAt(bytes: Buffer, range: ByteRange): string | undefined {
  const raw = bytes.toString('utf8', range.start + 1, range.end - 1)
  return raw.includes('\\') ? parseString(bytes, range) : raw
}

/** Decodes the JSON string at `range`, quotes included; `undefined` if it is none. */
export function parseString(bytes: Buffer, range: ByteRange): string | undefined {
  if (bytes[range.start] !== quote) return undefined
  try {
    return JSON.parse(bytes.toString('utf8', range.start, range.end)) as string
  } catch {
    return undefined
  }
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from
  for (;;) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
    at += 1
  }
}

/** Index after the closing quote of the string whose first character is at `from`; -1 if it never closes. */
function skipString(bytes: Buffer, from: number): number {
  const near = Math.min(bytes.length, from + nativeSearchAfter)
  let at = from
  while (at < near) {
    const byte = bytes[at]
    if (byte === quote) return at + 1
    at += byte === backslash ? 2 : 1
  }
  return skipLongString(bytes, at)
}

function skipLongString(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(quote, from)
  while (at >= 0) {
    let before = at - 1
    while (before >= from && bytes[before] === backslash) before -= 1
    // An even number of backslashes escapes itself, so the quote is real.
    if ((at - before) % 2 === 1) return at + 1
    at = bytes.indexOf(quote, at + 1)
  }
  return -1
}

/** Index after the value that starts at `start`; -1 if it is malformed at this depth or never ends. */
function skipValue(bytes: Buffer, start: number): number {
  const first = bytes[start]
  if (first === quote) return skipString(bytes, start + 1)
  if (first === openBrace || first === openBracket) return skipContainer(bytes, start)
  return skipScalar(bytes, start)
}

function skipScalar(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && !isDelimiter(bytes[at] as number)) at += 1
  const text = bytes.toString('latin1', start, at)
  return /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(text) ? at : -1
}

function isDelimiter(byte: number): boolean {
  return byte === comma || byte === closeBrace || byte === closeBracket || byte <= 0x20
}

function skipContainer(bytes: Buffer, start: number): number {
  let depth = 0
  let at = start
  while (at < bytes.length) {
    const byte = bytes[at] as number
    at += 1
    if (byte === quote) {
      at = skipString(bytes, at)
      if (at < 0) return -1
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1
    } else if (byte === closeBrace || byte === closeBracket) {
      depth -= 1
      if (depth === 0) return at
    } else if (allowedOutsideStrings[byte] === 0) {
      return -1
    }
  }
  return -1
}
