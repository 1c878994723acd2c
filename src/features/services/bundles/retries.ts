import type { Clock } from '../../../lib/clock.ts'

/** Attempts to get back what was lost, each later than the one before, and separately for each key. */
export interface Retries extends Disposable {
  /** Calls `attempt` after a while; does nothing where that is about to happen already. */
  schedule(key: string, attempt: () => void): void
}

const firstDelayMs = 1000
const delayMsMax = 60_000
/** After so long without a loss, the next one counts as the first. */
const calmMs = 5 * 60_000

/** Creates attempts: the first after a second, then after twice as long each, up to a minute. */
export function createRetries(clock: Clock): Retries {
  const timers = new Map<string, NodeJS.Timeout>()
  const last = new Map<string, { readonly delayMs: number; readonly at: number }>()

  function delayFor(key: string): number {
    const before = last.get(key)
    if (before === undefined || clock.elapsed() - before.at > calmMs) return firstDelayMs
    return Math.min(before.delayMs * 2, delayMsMax)
  }

  return {
    schedule(key, attempt) {
      if (timers.has(key)) return
      const delayMs = delayFor(key)
      last.set(key, { delayMs, at: clock.elapsed() })
      const timer = setTimeout(() => {
        timers.delete(key)
        attempt()
      }, delayMs)
      timers.set(key, timer.unref())
    },
    [Symbol.dispose]() {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}
