import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { RestartRule } from './program-spec.ts'

/** How long to wait before a restart. */
export interface BackoffConfig {
  /** Longest wait before the first restart, ms; doubles with each further one. */
  readonly backoffBaseMs: number
  /** Longest wait, ms. */
  readonly backoffMaxMs: number
  /** A run of this length, ms, makes earlier crashes forgotten. */
  readonly backoffResetMs: number
}

/** What to do after a crash. */
type RestartVerdict =
  | { readonly verdict: 'retry'; readonly delayMs: number }
  | { readonly verdict: 'give-up' }

/** Decides after each crash whether and when a program starts again. */
export interface RestartPolicy {
  /** Counts a crash after a run of `ranMs`; 0 for one that never began. */
  countCrash(ranMs: number): RestartVerdict
  /** Forgets all crashes. */
  forget(): void
}

/** A program that ran this long has started properly: its first restart needs no wait. */
const steadyMs = 10_000

/** Creates the policy of one program. `random` gives numbers from 0 to below 1, for full jitter. */
export function createRestartPolicy(
  deps: { readonly clock: Clock; readonly random: () => number },
  rule: RestartRule,
  config: Live<BackoffConfig>,
): RestartPolicy {
  const { clock, random } = deps
  let crashedAt: number[] = []
  let attempt = 0
  return {
    countCrash(ranMs) {
      const { backoffBaseMs, backoffMaxMs, backoffResetMs } = config()
      if (ranMs >= backoffResetMs) attempt = 0
      const now = clock.elapsed()
      crashedAt = [...crashedAt.filter((at) => now - at < rule.windowMs), now]
      if (crashedAt.length > rule.maxRestarts) return { verdict: 'give-up' }
      if (ranMs > steadyMs) return { verdict: 'retry', delayMs: 0 }
      const ceilingMs = Math.min(backoffMaxMs, backoffBaseMs * 2 ** attempt)
      attempt += 1
      return { verdict: 'retry', delayMs: Math.round(random() * ceilingMs) }
    },
    forget() {
      crashedAt = []
      attempt = 0
    },
  }
}
