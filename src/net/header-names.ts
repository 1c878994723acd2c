import type { Carrier } from './exchange.ts'

/** Headers that concern one connection only (RFC 9110 section 7.6.1, and those in use). A fixed list: what `Connection` names beyond it is not believed. */
export const hopByHopHeaders: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Headers in which a key of the gateway may be presented, by lower-case name. */
export const carrierHeaders: ReadonlyMap<string, Carrier> = new Map<string, Carrier>([
  ['authorization', 'authorization'],
  ['x-api-key', 'x-api-key'],
  ['apikey', 'apikey'],
  ['api-key', 'api-key'],
  ['x-goog-api-key', 'x-goog-api-key'],
])

const peerHeaders: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'true-client-ip'])
const peerPrefixes = ['x-forwarded-', 'x-gateway-', 'cf-'] as const

/** Says whether only a proxy in front, or we, may set this header: it tells who the client is, or what the gateway decided. */
export function isPeerHeader(lowerName: string): boolean {
  return peerHeaders.has(lowerName) || peerPrefixes.some((prefix) => lowerName.startsWith(prefix))
}

const guardedHeaders: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'host',
  'origin',
  'sec-fetch-site',
])

/** Says whether framing, identity or access depends on this header, so that no client may have it removed or spelt in two ways. */
export function isGuardedHeader(lowerName: string): boolean {
  return guardedHeaders.has(lowerName) || carrierHeaders.has(lowerName) || isPeerHeader(lowerName)
}

/**
 * Says whether the name is a guarded or framing header with underscores in place of hyphens (`X_Forwarded_For`).
 * Servers in the CGI tradition read both as one, so the twin would pass for the real header behind us.
 */
export function isUnderscoreTwin(lowerName: string): boolean {
  if (!lowerName.includes('_')) return false
  const hyphenated = lowerName.replaceAll('_', '-')
  return isGuardedHeader(hyphenated) || hopByHopHeaders.has(hyphenated)
}
