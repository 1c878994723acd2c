import type { Live } from '../lib/live.ts'
import { derive } from './derive.ts'
import { answerHeaders } from './answer.ts'
import { writeError } from './error-response.ts'
import type { Exchange } from './exchange.ts'
import { foreignOrigin, trustedOrigins, type OriginRules } from './origin-check.ts'

const preflightMaxAgeSeconds = '600'

/**
 * Makes the CORS policy of the data plane: pages of `allowedOrigins` may call it with a key in a header, no others may read an answer.
 * Credentials of the browser are never allowed, so `*` gives a page nothing but what its key gives it.
 * Returns false if the exchange was a preflight and is answered; else the headers for the answer are set on `res`.
 */
export function createCors(rules: Live<OriginRules>): (exchange: Exchange) => boolean {
  const allowed = derive(rules, trustedOrigins)
  return (exchange) => {
    const { req, res } = exchange
    const { origin } = req.headers
    if (origin === undefined) return true
    const asked = req.headers['access-control-request-method']
    const isPreflight = req.method === 'OPTIONS' && asked !== undefined
    const openToAll = allowed().has('*')
    if (!openToAll) res.setHeader('vary', 'Origin')
    if (!openToAll && !allowed().has(origin)) {
      if (isPreflight) writeError(res, foreignOrigin(), exchange.id)
      return !isPreflight
    }
    res.setHeader('access-control-allow-origin', openToAll ? '*' : origin)
    res.setHeader('access-control-expose-headers', '*')
    if (isPreflight) answerPreflight(exchange, asked)
    return !isPreflight
  }
}

function answerPreflight({ req, res, id }: Exchange, method: string): void {
  res.writeHead(204, [
    'access-control-allow-methods',
    method,
    // The SDKs send a good dozen headers of their own; to an allowed page any header is fine, for the key decides.
    'access-control-allow-headers',
    req.headers['access-control-request-headers'] ?? '',
    'access-control-max-age',
    preflightMaxAgeSeconds,
    ...answerHeaders('data', id, req.socket),
  ])
  res.end()
}
