import type { Exchange, Inbound, UpgradeRequest } from '../net/exchange.ts'
import type { Refusal } from '../net/front-door.ts'
import type { LineWriter } from './logging.ts'
import type { ServerMetrics } from './metrics.ts'

interface AccessLogDependencies {
  readonly write: LineWriter
  readonly metrics: ServerMetrics
  /** The path as it may be written down. */
  readonly loggablePath: (inbound: Inbound) => string
  /** Whether lines are written at all; the metrics are kept in any case. */
  readonly isEnabled: () => boolean
}

/** Writes one line for everything that comes in, when it is over, and counts it. */
export interface AccessLog {
  /** Watches an exchange to its end. */
  exchange(exchange: Exchange): void
  /** Watches the connection of an upgrade to its end. */
  upgrade(upgrade: UpgradeRequest): void
  /** Notes a request that got no further than the front door. Its path may be anything, so it is not written down. */
  refusal(refusal: Refusal): void
}

/** Creates the access log. */
export function createAccessLog(dependencies: AccessLogDependencies): AccessLog {
  const { write, metrics, loggablePath, isEnabled } = dependencies
  return {
    exchange(exchange) {
      exchange.res.once('close', () => {
        const ms = performance.now() - exchange.startedAt
        const { res, note } = exchange
        const status = res.headersSent ? res.statusCode : 0
        metrics.requestEnded(note.plane, status, ms / 1000)
        if (!isEnabled()) return
        write(
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
    },
    upgrade(upgrade) {
      upgrade.socket.once('close', () => {
        metrics.upgradeEnded(upgrade.note.error ?? 'none')
        if (!isEnabled()) return
        const ms = Math.round(performance.now() - upgrade.startedAt)
        const { id, ip, note } = upgrade
        write({ id, path: loggablePath(upgrade), ms, ip, ...note }, 'upgrade')
      })
    },
    refusal({ id, ip, method, error }) {
      metrics.requestRefused(error.code)
      if (!isEnabled()) return
      write({ id, method, status: error.status, ip, error: error.code }, 'refused')
    },
  }
}
