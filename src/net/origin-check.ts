import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import type { Live } from '../lib/live.ts'
import { derive } from './derive.ts'
import { isTls } from './security-headers.ts'

/** Which web pages a listener listens to. */
export interface OriginRules {
  /** URLs under which this listener is reached; pages of their origins are its own. */
  readonly ownUrls: readonly string[]
  /** Origins of other pages (`https://app.example`). `*` opens the data plane to every page, and nothing else. */
  readonly allowedOrigins: readonly string[]
}

/**
 * What a foreign page could misuse: `management` acts on state, `upgrade` opens a channel that the browser does not guard by CORS.
 * An `upgrade` follows `allowedOrigins: ['*']`, `management` never does.
 */
export type GuardedSurface = 'management' | 'upgrade'

/**
 * Makes the function that gives `origin_not_allowed` for a request which a web page of a foreign origin had its browser send, or undefined.
 * Programs send no `Origin` and pass.
 */
export function createOriginCheck(
  rules: Live<OriginRules>,
): (req: IncomingMessage, surface: GuardedSurface) => AppError | undefined {
  const allowed = derive(rules, trustedOrigins)
  return (req, surface) => {
    const { origin } = req.headers
    if (origin === undefined) return isCrossSiteWrite(req) ? foreignOrigin() : undefined
    if (allowed().has(origin) || isSameOrigin(origin, req)) return undefined
    return surface === 'upgrade' && allowed().has('*') ? undefined : foreignOrigin()
  }
}

/** Origins that are the listener's own or were allowed, as browsers write them. */
export function trustedOrigins(rules: OriginRules): ReadonlySet<string> {
  return new Set([...rules.ownUrls, ...rules.allowedOrigins].map(toOrigin))
}

/** The refusal of a request from a foreign page. */
export function foreignOrigin(): AppError {
  return new AppError('origin_not_allowed', 'Web pages of this origin are not allowed here.')
}

/** `Host` has been checked by the front door, so a page of the same host is one that we served. */
function isSameOrigin(origin: string, req: IncomingMessage): boolean {
  const scheme = isTls(req.socket) ? 'https' : 'http'
  return origin === `${scheme}://${req.headers.host?.toLowerCase()}`
}

function isCrossSiteWrite(req: IncomingMessage): boolean {
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  return !isRead && req.headers['sec-fetch-site'] === 'cross-site'
}

/** Takes a URL with a path or a capital letter for the origin it means; `*` stays. */
function toOrigin(text: string): string {
  return URL.parse(text)?.origin ?? text
}
