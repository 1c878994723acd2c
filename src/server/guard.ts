import type { Log } from '../lib/log.ts'
import { refuse, toAppError, writeSocketError } from '../net/error-response.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'

/**
 * The handlers, with whatever they throw answered as an error and logged: a mistake in serving one request
 * is not to end the process with all the others.
 */
export function guardHandlers(handlers: ListenerHandlers, log: Log): ListenerHandlers {
  return {
    onExchange(exchange) {
      try {
        handlers.onExchange(exchange)
      } catch (error) {
        log.error({ err: error, id: exchange.id }, 'request failed')
        refuse(exchange, toAppError(error))
      }
    },
    onUpgrade(upgrade) {
      try {
        handlers.onUpgrade(upgrade)
      } catch (error) {
        log.error({ err: error, id: upgrade.id }, 'upgrade failed')
        writeSocketError(upgrade.socket, toAppError(error), upgrade.id)
      }
    },
  }
}
