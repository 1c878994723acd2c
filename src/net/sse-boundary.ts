const newline = 0x0a
const carriageReturn = 0x0d

/**
 * Index after the last complete event in `bytes` (events end with an empty line; LF and CRLF are recognised), or 0.
 * Source: WHATWG HTML, 9.2.5 "Parsing an event stream".
 */
export function lastEventEnd(bytes: Buffer): number {
  let at = bytes.lastIndexOf(newline)
  while (at > 0) {
    if (bytes[at - 1] === newline) return at + 1
    if (bytes[at - 1] === carriageReturn && bytes[at - 2] === newline) return at + 1
    at = bytes.lastIndexOf(newline, at - 1)
  }
  return 0
}

/** Index after the first complete event at or after `from`, or -1. */
export function firstEventEnd(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(newline, from)
  while (at >= 0) {
    if (bytes[at + 1] === newline) return at + 2
    if (bytes[at + 1] === carriageReturn && bytes[at + 2] === newline) return at + 3
    at = bytes.indexOf(newline, at + 1)
  }
  return -1
}

/** Says whether a stream that has delivered `chunk` last stands between two events, so that something may be put in. */
export function endsAtBoundary(chunk: Buffer): boolean {
  return chunk.length > 0 && lastEventEnd(chunk) === chunk.length
}
