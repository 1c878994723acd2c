import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { sendAnswer } from '../net/answer.ts'
import type { Answer } from '../net/answer.ts'
import { refuse, toAppError } from '../net/error-response.ts'
import type { Exchange } from '../net/exchange.ts'

/** Makes the answer of one path. An error that it throws is answered as such. */
export type OwnRoute = (exchange: Exchange) => Answer | Promise<Answer>

/**
 * Makes the function that serves what Portico answers by itself, by exact path, to GET and HEAD.
 * It returns false for a path that is not in `routes`.
 */
export function createOwnRoutes(
  routes: ReadonlyMap<string, OwnRoute>,
  log: Log,
): (exchange: Exchange) => boolean {
  return (exchange) => {
    const route = routes.get(exchange.path)
    if (route === undefined) return false
    const { method } = exchange.req
    if (method === 'GET' || method === 'HEAD') void answer(exchange, route, log)
    else refuse(exchange, onlyRead())
    return true
  }
}

async function answer(exchange: Exchange, route: OwnRoute, log: Log): Promise<void> {
  const made = await Promise.try(route, exchange).catch((error: unknown) => {
    if (!(error instanceof AppError)) log.error({ err: error, id: exchange.id }, 'request failed')
    return toAppError(error)
  })
  if (made instanceof AppError) refuse(exchange, made)
  else sendAnswer(exchange, 'management', made)
}

function onlyRead(): AppError {
  const headers = { allow: 'GET, HEAD' }
  return new AppError('method_not_allowed', 'This path answers to GET alone.', { headers })
}
