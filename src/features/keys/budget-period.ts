const dayMs = 86_400_000

/** The periods a budget can have. All follow UTC; a week starts on Monday. */
export const budgetPeriods = ['day', 'week', 'month', 'total'] as const

/** One of the periods a budget can have. */
export type BudgetPeriod = (typeof budgetPeriods)[number]

/** One particular day, week or month, or all of time. */
export interface PeriodSpan {
  /** First day, `YYYY-MM-DD`; identifies the span among those of its kind. `''`, which sorts first, for all of time. */
  readonly firstDay: string
  /** Epoch ms, inclusive. */
  readonly startsAt: number
  /** Epoch ms, exclusive; null for all of time. */
  readonly endsAt: number | null
}

/** The span of that kind in which `at` (epoch ms) lies. */
export function periodAt(period: BudgetPeriod, at: number): PeriodSpan {
  const day = new Date(at - (at % dayMs))
  const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()]
  switch (period) {
    case 'day':
      return spanBetween(day.getTime(), day.getTime() + dayMs)
    case 'week': {
      const daysSinceMonday = (day.getUTCDay() + 6) % 7
      const monday = day.getTime() - daysSinceMonday * dayMs
      return spanBetween(monday, monday + 7 * dayMs)
    }
    case 'month':
      return spanBetween(Date.UTC(year, month), Date.UTC(year, month + 1))
    case 'total':
      return { firstDay: '', startsAt: -Infinity, endsAt: null }
  }
}

/** The UTC day in which `at` (epoch ms) lies, `YYYY-MM-DD`. */
export function dayOf(at: number): string {
  const number = Math.floor(at / dayMs)
  // Asked for with every call, and nearly always about the same day.
  if (number !== lastDay.number) lastDay = { number, text: new Date(at).toISOString().slice(0, 10) }
  return lastDay.text
}

let lastDay = { number: Number.NaN, text: '' }

function spanBetween(startsAt: number, endsAt: number): PeriodSpan {
  return { firstDay: dayOf(startsAt), startsAt, endsAt }
}
