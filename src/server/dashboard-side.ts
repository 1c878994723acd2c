import { AppError } from '../lib/errors.ts'
import { refuse, writeSocketError } from '../net/error-response.ts'
import type { Exchange } from '../net/exchange.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'

/** Serves the pages of the dashboard's listener. Nothing else is to be found there. */
export function createDashboardSide(servePage: (exchange: Exchange) => boolean): ListenerHandlers {
  const nothing = () => new AppError('not_found', 'There is nothing here.')
  return {
    onExchange(exchange) {
      if (!servePage(exchange)) refuse(exchange, nothing())
    },
    onUpgrade: ({ socket, id }) => writeSocketError(socket, nothing(), id),
  }
}
