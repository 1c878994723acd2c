import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Selectable } from 'kysely'
import type { UsageTable } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import { summedColumns } from './daily-sums.ts'
import type { UsageLedger } from './usage-ledger.ts'

/** Which usage is asked for. Days are `YYYY-MM-DD`, UTC, both inclusive. */
interface UsageFilter {
  readonly workspaceId: string
  readonly keyId?: string | undefined
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** What sums can be grouped by. */
type UsageGrouping = 'day' | 'key' | 'model' | 'provider'

/** The sums of one group. */
export type UsageSums = Record<(typeof summedColumns)[number], number>

/** One page of rows, newest first. */
interface UsagePage {
  readonly rows: readonly Selectable<UsageTable>[]
  readonly nextCursor: string | null
}

/** Which page is asked for. */
interface Page {
  readonly cursor?: string | undefined
  readonly limit: number
}

/** Answers questions about usage. What was recorded a moment ago is included, unless the store is slow to take it. */
export interface UsageQueries {
  /** Sums by group, which is the day, key id, model or provider id; in its order. */
  sum(
    filter: UsageFilter,
    groupBy: UsageGrouping,
  ): Promise<readonly (UsageSums & { readonly group: string })[]>
  rows(filter: UsageFilter, page: Page): Promise<UsagePage>
}

const freshnessWaitMs = 1000
const dayMs = 86_400_000
const groupColumns = { day: 'day', key: 'keyId', model: 'model', provider: 'providerId' } as const

/** Creates the queries. */
export function createUsageQueries(store: Store, ledger: UsageLedger): UsageQueries {
  const freshen = () =>
    Promise.race([ledger.flush(), sleep(freshnessWaitMs, undefined, { ref: false })])

  return {
    async sum({ workspaceId, keyId, model, provider, from, to }, groupBy) {
      await freshen()
      const column = groupColumns[groupBy]
      return store.db
        .selectFrom('usageDaily')
        .select(`${column} as group`)
        .select((eb) =>
          summedColumns.map((name) => sql<number>`cast(sum(${eb.ref(name)}) as bigint)`.as(name)),
        )
        .where('workspaceId', '=', workspaceId)
        .$if(keyId !== undefined, (query) => query.where('keyId', '=', keyId ?? ''))
        .$if(model !== undefined, (query) => query.where('model', '=', model ?? ''))
        .$if(provider !== undefined, (query) => query.where('providerId', '=', provider ?? ''))
        .$if(from !== undefined, (query) => query.where('day', '>=', from ?? ''))
        .$if(to !== undefined, (query) => query.where('day', '<=', to ?? ''))
        .groupBy(column)
        .orderBy(column)
        .execute()
    },

    async rows({ workspaceId, keyId, model, provider, from, to }, { cursor, limit }) {
      await freshen()
      const found = await store.db
        .selectFrom('usage')
        .selectAll()
        .where('workspaceId', '=', workspaceId)
        .$if(keyId !== undefined, (query) => query.where('keyId', '=', keyId ?? ''))
        .$if(model !== undefined, (query) => query.where('modelUsed', '=', model ?? ''))
        .$if(provider !== undefined, (query) => query.where('providerId', '=', provider ?? ''))
        .$if(from !== undefined, (query) => query.where('at', '>=', Date.parse(from ?? '')))
        .$if(to !== undefined, (query) => query.where('at', '<', Date.parse(to ?? '') + dayMs))
        .$if(cursor !== undefined, (query) => query.where('id', '<', Number(cursor)))
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute()
      return toPage(found, limit)
    },
  }
}

/** Splits the one row too many off, which says that there is another page. */
export function toPage<Row extends { readonly id: number }>(
  found: readonly Row[],
  limit: number,
): { readonly rows: readonly Row[]; readonly nextCursor: string | null } {
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return { rows, nextCursor: found.length > limit && last ? String(last.id) : null }
}
