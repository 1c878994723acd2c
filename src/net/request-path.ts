/** Below these, a segment is the id of a model, and ids such as `openai/gpt-4` hold slashes that clients rightly encode. */
const encodedSlashPrefixes = ['/v1/models/', '/api/models/', '/api/v1/models/'] as const

/**
 * The one form of a request path that routing, authorisation and upstreams all see, or undefined if the path is to be refused.
 * Dot segments are resolved, encoded letters, digits, `-`, `.`, `_` and `~` decoded, slashes at the start made one; all else stays, byte for byte.
 * Refused are a backslash, a NUL or a slash in encoded form (they mean different things to different servers), a broken escape, a `#`,
 * and dot segments that climb above the root. Normalising twice changes nothing. Source: RFC 3986 section 6.2.2.
 */
export function normalisePath(raw: string): string | undefined {
  return isPlain(raw) ? raw : normaliseUnusual(raw)
}

/** One pass without allocation, for nearly every path is in normal form already. */
function isPlain(path: string): boolean {
  let previous = 0
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index)
    if (code === percent || code === backslash || code === hashSign) return false
    // A dot or another slash after a slash may be a dot segment, or a host in disguise.
    if (previous === slash && (code === dot || code === slash)) return false
    previous = code
  }
  return true
}

const slash = 0x2f
const dot = 0x2e
const percent = 0x25
const backslash = 0x5c
const hashSign = 0x23

function normaliseUnusual(raw: string): string | undefined {
  if (/[\\#]|%(?![0-9a-f]{2})|%00|%5c/i.test(raw)) return undefined
  const decoded = raw.replaceAll(/%[0-9a-f]{2}/gi, decodeUnreserved)
  const path = resolveDotSegments(decoded.replace(/^\/+/, '/'))?.replace(/^\/+/, '/')
  return path === undefined || hidesSegments(path) ? undefined : path
}

function decodeUnreserved(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape
}

function resolveDotSegments(path: string): string | undefined {
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '..' && kept.pop() === undefined) return undefined
    if (segment !== '.' && segment !== '..') kept.push(segment)
    // `/a/..` names the folder, and so does `/a/.`: the slash at the end stays.
    else if (isLast) kept.push('')
  }
  return `/${kept.join('/')}`
}

/** Says whether encoded slashes divide the path further than it looks: anywhere but in a model id, or around dots in one. */
function hidesSegments(path: string): boolean {
  if (!/%2f/i.test(path)) return false
  const prefix = encodedSlashPrefixes.find((candidate) => path.startsWith(candidate))
  if (prefix === undefined) return true
  const segments = path.slice(prefix.length).split(/%2f|\//i)
  return segments.includes('.') || segments.includes('..')
}
