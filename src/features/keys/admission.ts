import type { Change, Counters, Reservation, Standing } from '../../cluster/counters.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { atLeastZero, budgetCounter, claimOn, type UsageEstimate } from './limits.ts'
import type { LiveKey } from './live-key.ts'
import { rateLimitHeaders, refusalOf, type Ask } from './refusal.ts'

/** Leave to make one call, with its limits reserved. The first call of either method counts, any other does nothing. */
export interface Admission {
  /** The call took place and used this much; what was reserved beyond it is given back. */
  settle(actual: UsageEstimate): void
  /** The call did not take place; everything is given back, but as a request it stays counted. */
  release(): void
  /** `x-ratelimit-*` headers as a flat list name, value, … */
  readonly headers: readonly string[]
}

/** What admission needs. */
export interface AdmissionDeps {
  readonly counters: Counters
  readonly clock: Clock
  readonly log: Log
}

/**
 * Lets a call of a key pass, or throws (rejects, where the counters are elsewhere) with `rate_limit_exceeded` or
 * `insufficient_quota`. All limits of the key and of the keys above it are reserved, or none.
 */
export type Admit = (key: LiveKey, estimate: UsageEstimate) => Admission | Promise<Admission>

/** Creates the function that admits calls. */
export function createAdmit(deps: AdmissionDeps): Admit {
  /** The admission of a key without limits holds nothing, so one object serves all its calls. */
  const free = new WeakMap<LiveKey, Admission>()
  return (key, estimate) => {
    const { limits } = key
    if (limits.length === 0) {
      const admission = free.get(key) ?? withoutLimits(deps, key)
      free.set(key, admission)
      return admission
    }
    const now = deps.clock.now()
    const claims = limits.map((limit) => claimOn(limit, estimate, now))
    const reservation = deps.counters.reserve(claims)
    const ask: Ask = { key, limits, claims }
    return reservation instanceof Promise
      ? reservation.then((outcome) => admissionOf(deps, ask, outcome))
      : admissionOf(deps, ask, reservation)
  }
}

function admissionOf(deps: AdmissionDeps, ask: Ask, outcome: Reservation): Admission {
  if (outcome.refusal) throw refusalOf(ask, outcome.refusal, outcome.standings)
  return new Reserved(deps, ask, outcome.standings)
}

class Reserved implements Admission {
  readonly #deps: AdmissionDeps
  readonly #ask: Ask
  readonly #standings: readonly Standing[]
  #isOpen = true

  constructor(deps: AdmissionDeps, ask: Ask, standings: readonly Standing[]) {
    this.#deps = deps
    this.#ask = ask
    this.#standings = standings
  }

  settle(actual: UsageEstimate): void {
    if (!this.#close(atLeastZero(actual.tokens))) return
    charge(this.#deps, this.#ask.key, actual.costNanoUsd)
  }

  release(): void {
    this.#close(0)
  }

  get headers(): readonly string[] {
    return Object.entries(rateLimitHeaders(this.#ask, this.#standings)).flat()
  }

  /** Gives back what was reserved, except for the tokens used. Says whether there was anything to give back. */
  #close(tokens: number): boolean {
    if (!this.#isOpen) return false
    this.#isOpen = false
    const changes = this.#ask.limits.flatMap((_, at) => this.#undoing(at, tokens))
    apply(this.#deps, changes)
    return true
  }

  #undoing(at: number, tokens: number): readonly Change[] {
    const claim = this.#ask.claims[at]
    switch (claim?.kind) {
      case 'gauge':
        return [{ kind: 'gauge', name: claim.name, delta: -claim.amount }]
      case 'total': {
        const { name, amount, expiresAt } = claim
        return [{ kind: 'total', name, heldDelta: -amount, usedDelta: 0, expiresAt }]
      }
      case 'window': {
        if (this.#ask.limits[at]?.measure !== 'tokens') return []
        const { name, amount, windowMs } = claim
        const window = this.#standings[at]?.window ?? 0
        return [{ kind: 'window', name, delta: tokens - amount, windowMs, window }]
      }
      case undefined:
        return []
    }
  }
}

function withoutLimits(deps: AdmissionDeps, key: LiveKey): Admission {
  return {
    // A budget that the key was given while the call was under way is charged for it.
    settle: ({ costNanoUsd }) => charge(deps, key, costNanoUsd),
    release: () => undefined,
    headers: [],
  }
}

/**
 * Books a cost on every budget that bounds the key now, in the periods that run now: the same that the ledger books it
 * on, whatever was reserved when the call began.
 */
function charge(deps: AdmissionDeps, key: LiveKey, costNanoUsd: number): void {
  const usedDelta = Math.round(atLeastZero(costNanoUsd))
  if (usedDelta === 0) return
  const now = deps.clock.now()
  const changes: Change[] = []
  for (const limit of key.limits) {
    if (limit.measure !== 'budget') continue
    const { name, span } = budgetCounter(limit, now)
    changes.push({ kind: 'total', name, heldDelta: 0, usedDelta, expiresAt: span.endsAt })
  }
  if (changes.length > 0) apply(deps, changes)
}

function apply({ counters, log }: AdmissionDeps, changes: readonly Change[]): void {
  const applied = counters.apply(changes)
  if (applied instanceof Promise) {
    applied.catch((error: unknown) => log.error({ err: error }, 'limits were not corrected'))
  }
}
