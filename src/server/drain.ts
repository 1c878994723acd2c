import { setTimeout as pause } from 'node:timers/promises'
import type { Models } from '../features/models/models.ts'
import type { Services } from '../features/services/services.ts'
import type { Listener } from './listener.ts'

/** What has to finish. */
interface DrainedFeatures {
  readonly models: Pick<Models, 'running' | 'stop' | 'settings'>
  readonly services: Pick<Services, 'front' | 'drain'>
}

/** Balancers need a moment to notice that `/readyz` says no; until then they send requests. */
const noticeMs = 2_000
const lookMs = 50
/** For the last words of streams that are cut, to clients that read them. */
const lastWordsMs = 1_000

/**
 * Ends what runs, in good order: requests and streams finish, up to `timeoutMs` in all; what is left then is told so and
 * cut. While calls run, new requests are still answered for a moment, each on a connection that ends with it.
 */
export async function drain(
  listener: Listener,
  { models, services }: DrainedFeatures,
  timeoutMs: number,
): Promise<void> {
  const startedAt = performance.now()
  const left = (ms: number) => Math.max(0, ms - (performance.now() - startedAt))
  listener.refuseReuse()
  // Streams of settings have no end of their own, and their readers connect anew.
  await models.settings[Symbol.asyncDispose]()
  // Nor have streams on which a server may speak some day.
  services.drain()
  while (models.running + services.front.running > 0 && left(Math.min(noticeMs, timeoutMs)) > 0)
    await pause(lookMs)
  await listener.drain(left(timeoutMs))
  models.stop()
  await listener.drain(lastWordsMs)
}
