import type { Clock } from '../../../lib/clock.ts'
import type { Log } from '../../../lib/log.ts'
import { ask } from './fetch-catalogue.ts'
import type { Instance } from './instance.ts'
import type { ServiceRuntime } from './service-runtime.ts'
import type { ServiceStatus } from './service-status.ts'

/** Whether the servers that run really answer: a process that is alive may have long stopped listening. */
export interface HealthWatch {
  /** The last verdict on a service; null before the first. */
  of(serviceId: string): ServiceStatus['health']
  close(): void
}

interface Verdict {
  readonly health: NonNullable<ServiceStatus['health']>
  readonly failures: number
}

const lookMs = 1000
const answerMs = 10_000
/** So often in a row a server that runs may leave a question unanswered before it is ended, to be started anew. */
const failuresMax = 3

/** Asks every service that runs for its tools, at its own interval. */
export function createHealthWatch(deps: {
  readonly clock: Clock
  readonly log: Log
  readonly runtimes: () => Iterable<ServiceRuntime>
}): HealthWatch {
  const { clock, log } = deps
  const verdicts = new Map<string, Verdict>()
  const asking = new Set<string>()

  async function look(runtime: ServiceRuntime, instance: Instance): Promise<void> {
    const { service } = runtime
    const startedAt = clock.elapsed()
    const method = instance.connection.era === 'modern' ? 'server/discover' : 'tools/list'
    const isHealthy = await ask(
      instance.connection,
      { method, params: {} },
      AbortSignal.timeout(answerMs),
    ).then(
      () => true,
      () => false,
    )
    const failures = isHealthy ? 0 : (verdicts.get(service.id)?.failures ?? 0) + 1
    const latencyMs = isHealthy ? clock.elapsed() - startedAt : null
    verdicts.set(service.id, { health: { isHealthy, at: clock.now(), latencyMs }, failures })
    if (failures < failuresMax || instance.running > 0) return
    log.warn({ service: service.name }, 'ended an instance that does not answer')
    await runtime.discard(instance)
  }

  function lookAround(): void {
    for (const runtime of deps.runtimes()) {
      const { id, settings } = runtime.service
      const [instance] = runtime.instances
      const last = verdicts.get(id)?.health.at ?? 0
      const isDue = clock.now() - last >= settings.healthIntervalMs
      if (instance === undefined || !isDue || asking.has(id)) continue
      asking.add(id)
      look(runtime, instance)
        .catch((err: unknown) => log.warn({ err, service: id }, 'a service could not be looked at'))
        .finally(() => asking.delete(id))
    }
  }

  const timer = setInterval(lookAround, lookMs).unref()
  return {
    of: (serviceId) => verdicts.get(serviceId)?.health ?? null,
    close: () => clearInterval(timer),
  }
}
