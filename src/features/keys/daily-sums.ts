import type { Insertable } from 'kysely'
import type { UsageDailyTable, UsageTable } from '../../store/schema.ts'
import { dayOf } from './budget-period.ts'

/** One row of the daily ledger. */
export type DailySum = Insertable<UsageDailyTable>

/** The columns of a daily sum that add up. */
export const summedColumns = [
  'requests',
  'errors',
  'inputTokens',
  'outputTokens',
  'cachedTokens',
  'costNanoUsd',
] as const

/** Sums that are not in the store yet, one for each day, key, model and provider. */
export interface DailySums {
  readonly size: number
  addRow(row: Insertable<UsageTable>): void
  add(sum: DailySum): void
  /** Takes everything out. */
  take(): DailySum[]
  /** What one key after another heads: all sums of `from` become sums of `to`. */
  reassign(from: ReadonlySet<string>, to: string): void
  /** Nano US dollars by key, of the days from `firstDay` on. */
  costByKey(firstDay: string): Map<string, number>
}

/** Creates empty sums. Their number is bounded by how many different models are called between two writes. */
export function createDailySums(): DailySums {
  let sums = new Map<string, DailySum>()

  function add(sum: DailySum): void {
    // No part can hold a NUL: the store would not take it.
    const id = `${sum.day}\0${sum.workspaceId}\0${sum.keyId}\0${sum.model}\0${sum.providerId}`
    const present = sums.get(id)
    if (present) for (const column of summedColumns) present[column] += sum[column]
    else sums.set(id, { ...sum })
  }

  function take(): DailySum[] {
    const taken = [...sums.values()]
    sums = new Map()
    return taken
  }

  return {
    get size() {
      return sums.size
    },
    add,
    addRow: (row) => add(sumOf(row)),
    take,
    reassign(from, to) {
      for (const sum of take()) add(from.has(sum.keyId) ? { ...sum, keyId: to } : sum)
    },
    costByKey(firstDay) {
      const costs = new Map<string, number>()
      for (const { day, keyId, costNanoUsd } of sums.values()) {
        if (day >= firstDay) costs.set(keyId, (costs.get(keyId) ?? 0) + costNanoUsd)
      }
      return costs
    },
  }
}

function sumOf(row: Insertable<UsageTable>): DailySum {
  return {
    day: dayOf(row.at),
    workspaceId: row.workspaceId,
    keyId: row.keyId,
    model: row.modelUsed ?? '',
    providerId: row.providerId ?? '',
    requests: 1,
    errors: row.status >= 400 ? 1 : 0,
    inputTokens: row.inputTokens ?? 0,
    outputTokens: row.outputTokens ?? 0,
    cachedTokens: row.cachedTokens ?? 0,
    costNanoUsd: row.costNanoUsd ?? 0,
  }
}
