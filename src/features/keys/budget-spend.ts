import type { KnownTotal } from '../../cluster/counters.ts'
import { budgetPeriods, periodAt, type BudgetPeriod } from './budget-period.ts'
import type { KeySettings } from './key-settings.ts'
import { counterAt } from './limits.ts'
import type { LiveKey } from './live-key.ts'
import type { UsageLedger } from './usage-ledger.ts'

/** A key and the budgets whose spending is asked for; its settings may not have them yet. */
export interface BudgetQuestion {
  readonly key: LiveKey
  readonly budget: KeySettings['budget']
}

/** When spending is asked for, and what is done before the answer is worked out. */
export interface SpendingOptions {
  /** Epoch ms. */
  readonly now: number
  /** When it fails, so does the question. */
  readonly meanwhile?: () => Promise<void>
}

/**
 * What the keys, each with all keys below it, have spent in the periods in which `now` (epoch ms) lies, by the ledger.
 * One total for each budget that is not null.
 */
export async function readSpending(
  ledger: UsageLedger,
  questions: readonly BudgetQuestion[],
  { now, meanwhile }: SpendingOptions,
): Promise<KnownTotal[]> {
  const periods = budgetPeriods.filter((period) =>
    questions.some(({ budget }) => has(budget, period)),
  )
  const firstDays = periods.map((period) => periodAt(period, now).firstDay)
  const costs = await ledger.costsByKey(firstDays, meanwhile)
  return periods.flatMap((period, at) =>
    questions
      .filter(({ budget }) => has(budget, period))
      .map(({ key }) => {
        const { name, span } = counterAt(key.keyId, period, now)
        return { name, used: sumOver(key, costs[at]), expiresAt: span.endsAt }
      }),
  )
}

function has(budget: KeySettings['budget'], period: BudgetPeriod): boolean {
  return budget[period] !== null
}

function sumOver(key: LiveKey, costs: ReadonlyMap<string, number> | undefined): number {
  let sum = 0
  for (const { keyId } of key.subtree()) sum += costs?.get(keyId) ?? 0
  return sum
}
