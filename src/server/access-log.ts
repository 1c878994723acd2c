import type { Exchange } from '../net/exchange.ts'
import type { Log } from '../lib/log.ts'
import type { ServerMetrics } from './metrics.ts'

interface AccessLogDependencies {
  readonly log: Pick<Log, 'info'>
  readonly metrics: ServerMetrics
  /** The path as it may be written down. */
  readonly loggablePath: (exchange: Exchange) => string
  /** Whether lines are written at all; the metrics are kept in any case. */
  readonly isEnabled: () => boolean
}

/** Watches an exchange to its end, and then writes its one line and counts it. */
export function createAccessLog(dependencies: AccessLogDependencies): (exchange: Exchange) => void {
  const { log, metrics, loggablePath, isEnabled } = dependencies
  return (exchange) => {
    exchange.res.once('close', () => {
      const ms = performance.now() - exchange.startedAt
      const { res, note } = exchange
      const status = res.headersSent ? res.statusCode : 0
      metrics.requestEnded(note.plane, status, ms / 1000)
      if (!isEnabled()) return
      log.info(
        {
          id: exchange.id,
          method: exchange.req.method,
          path: loggablePath(exchange),
          status,
          ms: Math.round(ms * 100) / 100,
          ip: exchange.ip,
          complete: res.writableFinished,
          ...note,
        },
        'request',
      )
    })
  }
}
