import { jsonAnswer } from '../net/answer.ts'
import type { OwnRoute } from './own-routes.ts'

/** What health depends on. */
export interface HealthDependencies {
  /** The process is about to end and takes no new work. */
  readonly isDraining: () => boolean
  /** Rejects when the store does not answer. */
  readonly checkStore: () => Promise<void>
}

/** The health routes, by path. None of them tells a stranger anything but whether Portico works. */
export function createHealthRoutes(
  dependencies: HealthDependencies,
): ReadonlyMap<string, OwnRoute> {
  const { isDraining, checkStore } = dependencies
  return new Map<string, OwnRoute>([
    ['/healthz', () => jsonAnswer(200, { status: 'ok' })],
    [
      '/readyz',
      () => {
        if (isDraining()) return jsonAnswer(503, { status: 'draining' })
        return checkStore().then(
          () => jsonAnswer(200, { status: 'ready' }),
          () => jsonAnswer(503, { status: 'store unavailable' }),
        )
      },
    ],
    [
      '/health',
      () =>
        jsonAnswer(200, {
          status: 'healthy',
          timestamp: new Date().toISOString(),
          uptime: process.uptime(),
          services: { total: 0, running: 0, stopped: 0 },
        }),
    ],
  ])
}
