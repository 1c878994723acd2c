import { AppError } from '../lib/errors.ts'
import { writeError, writeSocketError } from '../net/error-response.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'
import { sendAnswer } from './answer.ts'
import type { Answer } from './answer.ts'

/** Serves the pages of the dashboard's listener, by path. Nothing else is to be found there. */
export function createDashboardSide(pages: ReadonlyMap<string, () => Answer>): ListenerHandlers {
  const nothing = () => new AppError('not_found', 'There is nothing here.')
  return {
    onExchange({ req, res, id, path, note }) {
      const page = pages.get(path)
      const isRead = req.method === 'GET' || req.method === 'HEAD'
      if (page !== undefined && isRead) return sendAnswer(res, page())
      const error = page === undefined ? nothing() : new AppError('method_not_allowed', 'Only GET.')
      note.error = error.code
      return writeError(res, error, id)
    },
    onUpgrade: ({ socket, id }) => writeSocketError(socket, nothing(), id),
  }
}
