/** The two protocols of MCP: with a handshake and sessions, or without either and with everything in each request. */
export type Era = 'legacy' | 'modern'

/** Revisions with the handshake that are spoken, newest first. */
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const

/** Revisions without it, newest first. */
export const modernVersions = ['2026-07-28'] as const

/** What an upstream or a client is offered of its era. */
export const latestLegacyVersion: string = legacyVersions[0]
export const latestModernVersion: string = modernVersions[0]

/** The revision of HTTP requests that name none (2025-03-26 introduced the endpoint, 2025-06-18 the header). */
export const assumedVersion = '2025-03-26'

/** Says whether `version` is a revision with the handshake that is spoken here. */
export function isLegacyVersion(version: string): boolean {
  return (legacyVersions as readonly string[]).includes(version)
}

/** Says whether `version` is a revision without the handshake that is spoken here. */
export function isModernVersion(version: string): boolean {
  return (modernVersions as readonly string[]).includes(version)
}
