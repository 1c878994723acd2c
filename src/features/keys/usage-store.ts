import { sql, type Compilable, type Insertable, type Kysely, type Transaction } from 'kysely'
import { bulkInsert, type BulkInsert } from '../../store/bulk-insert.ts'
import type { Schema, UsageTable } from '../../store/schema.ts'
import { createDailySums, summedColumns, type DailySum } from './daily-sums.ts'

const rowsPerStatement = 500

type UsageRow = Omit<Insertable<UsageTable>, 'id'>

const usageColumns: Readonly<Record<keyof UsageRow, 'text' | 'number'>> = {
  at: 'number',
  requestId: 'text',
  workspaceId: 'text',
  keyId: 'text',
  route: 'text',
  modelAsked: 'text',
  providerId: 'text',
  modelUsed: 'text',
  status: 'number',
  inputTokens: 'number',
  outputTokens: 'number',
  cachedTokens: 'number',
  costNanoUsd: 'number',
  usageSource: 'text',
  abortedBy: 'text',
  attempts: 'number',
  firstByteMs: 'number',
  latencyMs: 'number',
}

/** What adds rows and sums to the store, for one transaction. */
export function usageInserts(
  db: Kysely<Schema>,
  rows: readonly UsageRow[],
  sums: readonly DailySum[],
): (Compilable | BulkInsert)[] {
  return [
    ...(rows.length > 0 ? [bulkInsert('usage', usageColumns, rows)] : []),
    ...chunks(sums).map((chunk) => sumUpsert(db, chunk)),
  ]
}

/** Nano US dollars by key, of the days from `firstDay` on. */
export async function readCosts(
  db: Kysely<Schema>,
  firstDay: string,
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('usageDaily')
    .select(['keyId', sql<number>`cast(sum("costNanoUsd") as bigint)`.as('cost')])
    .where('day', '>=', firstDay)
    .groupBy('keyId')
    .execute()
  return new Map(rows.map(({ keyId, cost }) => [keyId, cost]))
}

/** Makes the sums of some keys sums of another. */
export async function reassignSums(
  trx: Transaction<Schema>,
  keyIds: readonly string[],
  heir: string,
): Promise<void> {
  const merged = createDailySums()
  for (const ids of chunks(keyIds)) {
    const moved = await trx
      .deleteFrom('usageDaily')
      .where('keyId', 'in', ids)
      .returningAll()
      .execute()
    for (const sum of moved) merged.add({ ...sum, keyId: heir })
  }
  for (const chunk of chunks(merged.take())) await sumUpsert(trx, chunk).execute()
}

/** Deletes up to `rowsMax` rows from before `before` (epoch ms). Returns how many there were. */
export async function deleteRowsBefore(
  db: Kysely<Schema>,
  before: number,
  rowsMax: number,
): Promise<number> {
  const oldest = db.selectFrom('usage').select('id').where('at', '<', before).limit(rowsMax)
  const result = await db.deleteFrom('usage').where('id', 'in', oldest).executeTakeFirst()
  return Number(result.numDeletedRows)
}

function sumUpsert(db: Kysely<Schema>, sums: readonly DailySum[]) {
  return db
    .insertInto('usageDaily')
    .values([...sums])
    .onConflict((conflict) =>
      conflict
        .columns(['day', 'workspaceId', 'keyId', 'model', 'providerId'])
        .doUpdateSet((eb) =>
          Object.fromEntries(
            summedColumns.map((column) => [
              column,
              eb(eb.ref(`usageDaily.${column}`), '+', eb.ref(`excluded.${column}`)),
            ]),
          ),
        ),
    )
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / rowsPerStatement)
  return Array.from({ length: count }, (_, at) =>
    items.slice(at * rowsPerStatement, (at + 1) * rowsPerStatement),
  )
}
