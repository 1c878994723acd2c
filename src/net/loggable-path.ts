import type { Inbound } from './exchange.ts'

/**
 * The path of a request as it may be written to a log: without the query, and with `[key]` for a segment that looks like a key or a token.
 * Some routes take one in the path (`/{key}`, `/mcp/{JWT}/…`).
 */
export function loggablePath({ path }: Pick<Inbound, 'path'>): string {
  if (path.startsWith('/v1/') || path.startsWith('/api/')) return path
  return path.split('/').map(maskKey).join('/')
}

const keyShapes = [
  /^ptk_/i,
  /^doro-/i,
  // The list ids of Doroseek: 16 random bytes in base58.
  /^[1-9A-HJ-NP-Za-km-z]{21,22}$/,
  // A JSON Web Token begins with an encoded `{"`.
  /^eyJ[\w-]+\.[\w-]+\./,
] as const

function maskKey(segment: string): string {
  return keyShapes.some((shape) => shape.test(segment)) ? '[key]' : segment
}
