import type { Claim, Refusal, Standing } from '../../cluster/counters.ts'
import { AppError } from '../../lib/errors.ts'
import type { BudgetPeriod } from './budget-period.ts'
import type { Limit } from './limits.ts'
import type { LiveKey } from './live-key.ts'

/** What a call asked for: the limits at that moment and the claims on them, in the same order. */
export interface Ask {
  readonly key: LiveKey
  readonly limits: readonly Limit[]
  readonly claims: readonly Claim[]
}

/** How soon to ask again for a slot that somebody may free at any moment. */
const slotRetryMs = 1000

const periodNames: Readonly<Record<BudgetPeriod, string>> = {
  day: 'daily',
  week: 'weekly',
  month: 'monthly',
  total: 'total',
}

/** The error that tells a client why a call was not admitted, and when to try again. */
export function refusalOf(ask: Ask, refusal: Refusal, standings: readonly Standing[]): AppError {
  const limit = ask.limits[refusal.claim] as Limit
  const headers = rateLimitHeaders(ask, standings)
  const whose = limit.keyId === ask.key.keyId ? 'the key' : 'a key above this one'
  switch (limit.measure) {
    case 'budget': {
      const message = `The ${periodNames[limit.period]} budget of ${whose} does not cover this call.`
      return new AppError('insufficient_quota', message, {
        headers: { ...headers, 'x-should-retry': 'false' },
      })
    }
    case 'requests':
      return tooMany(`The requests per minute of ${whose} are used up.`, refusal.retryAfterMs)
    case 'tokens':
      return tooMany(`The tokens per minute of ${whose} are used up.`, refusal.retryAfterMs)
    case 'concurrentRequests':
      return tooMany(`The concurrent requests of ${whose} are all in use.`, slotRetryMs)
  }

  function tooMany(message: string, retryAfterMs: number | null): AppError {
    return new AppError('rate_limit_exceeded', message, {
      param: limit.measure,
      retryAfterMs: retryAfterMs ?? slotRetryMs,
      headers,
    })
  }
}

/** `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, each pair by the limit that leaves least. */
export function rateLimitHeaders(
  ask: Ask,
  standings: readonly Standing[],
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const measure of ['requests', 'tokens'] as const) {
    let least: { max: number; remaining: number; resetMs: number } | undefined
    for (const [at, limit] of ask.limits.entries()) {
      const standing = standings[at]
      const claim = ask.claims[at]
      if (limit.measure !== measure || !standing || !claim) continue
      const remaining = Math.max(0, claim.max - standing.taken)
      if (least && least.remaining <= remaining) continue
      least = { max: claim.max, remaining, resetMs: standing.resetMs ?? 0 }
    }
    if (!least) continue
    headers[`x-ratelimit-limit-${measure}`] = String(least.max)
    headers[`x-ratelimit-remaining-${measure}`] = String(Math.floor(least.remaining))
    headers[`x-ratelimit-reset-${measure}`] = `${Math.ceil(least.resetMs) / 1000}s`
  }
  return headers
}
