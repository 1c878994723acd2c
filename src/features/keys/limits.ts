import type { Claim } from '../../cluster/counters.ts'
import { budgetPeriods, periodAt, type BudgetPeriod, type PeriodSpan } from './budget-period.ts'
import type { KeySettings } from './key-settings.ts'

const windowMs = 60_000

/** What a call is expected to use, at most, or has used. */
export interface UsageEstimate {
  readonly tokens: number
  /** Nano US dollars. */
  readonly costNanoUsd: number
}

/** One limit of one key, ready to be claimed from. */
export type Limit =
  | {
      readonly measure: 'requests' | 'concurrentRequests'
      readonly keyId: string
      readonly claim: Claim
    }
  | {
      readonly measure: 'tokens'
      readonly keyId: string
      readonly name: string
      readonly max: number
    }
  | BudgetLimit

/** A budget of one key over one kind of period. */
export interface BudgetLimit {
  readonly measure: 'budget'
  readonly keyId: string
  readonly period: BudgetPeriod
  /** Nano US dollars. */
  readonly max: number
  /** The counter of the period that was asked for last; it changes once a period, so it is kept between calls. */
  current: { readonly name: string; readonly span: PeriodSpan }
}

/** The limits a key itself has, without those of the keys above it. */
export function limitsOf(settings: KeySettings): Limit[] {
  const { id: keyId, requestsPerMinute, tokensPerMinute, concurrentRequests, budget } = settings
  const limits: Limit[] = []
  for (const period of budgetPeriods) {
    const max = budget[period]
    if (max === null) continue
    limits.push({ measure: 'budget', keyId, period, max, current: counterAt(keyId, period, 0) })
  }
  if (requestsPerMinute !== null) {
    const name = `${keyId}/requests`
    const claim: Claim = { kind: 'window', name, amount: 1, max: requestsPerMinute, windowMs }
    limits.push({ measure: 'requests', keyId, claim })
  }
  if (tokensPerMinute !== null) {
    limits.push({ measure: 'tokens', keyId, name: `${keyId}/tokens`, max: tokensPerMinute })
  }
  if (concurrentRequests !== null) {
    const name = `${keyId}/active`
    const claim: Claim = { kind: 'gauge', name, amount: 1, max: concurrentRequests }
    limits.push({ measure: 'concurrentRequests', keyId, claim })
  }
  return limits
}

/** What a call has to claim from a limit at `now` (epoch ms). */
export function claimOn(limit: Limit, estimate: UsageEstimate, now: number): Claim {
  switch (limit.measure) {
    case 'requests':
    case 'concurrentRequests':
      return limit.claim
    case 'tokens': {
      // An estimate above the whole limit would never be let in, though most calls use far less than they may: it takes
      // a window of its own instead.
      const amount = Math.min(atLeastZero(estimate.tokens), limit.max)
      return { kind: 'window', name: limit.name, amount, max: limit.max, windowMs }
    }
    case 'budget': {
      const { name, span } = budgetCounter(limit, now)
      const amount = atLeastZero(estimate.costNanoUsd)
      return { kind: 'total', name, amount, max: limit.max, expiresAt: span.endsAt }
    }
  }
}

/** The counter that a budget is charged to at `now` (epoch ms). */
export function budgetCounter(limit: BudgetLimit, now: number): BudgetLimit['current'] {
  const { startsAt, endsAt } = limit.current.span
  if (now < startsAt || (endsAt !== null && now >= endsAt)) {
    limit.current = counterAt(limit.keyId, limit.period, now)
  }
  return limit.current
}

/** The counter of a key’s budget for the period in which `at` (epoch ms) lies. */
export function counterAt(keyId: string, period: BudgetPeriod, at: number): BudgetLimit['current'] {
  const span = periodAt(period, at)
  return { name: `${keyId}/spend/${period}/${span.firstDay}`, span }
}

/** Zero for what is no sensible amount, so that a miscounted call can never give somebody more than they have. */
export function atLeastZero(amount: number): number {
  return amount > 0 ? amount : 0
}
