import { sql } from 'kysely'
import type { Kysely, Transaction } from 'kysely'
import type { Engine } from './migrations.ts'
import type { Schema } from './schema.ts'

type TableName = keyof Schema
type Row = Record<string, unknown>

/** A transaction and the engine it runs on. */
export interface CopyEnd {
  readonly engine: Engine
  readonly trx: Transaction<Schema>
}

/** Every table, those that others refer to first. Tables with numbered rows have `id: 'numbered'`. */
const tables = {
  workspaces: 'named',
  keys: 'named',
  providers: 'named',
  aliases: 'named',
  services: 'named',
  bundles: 'named',
  serviceCatalogues: 'named',
  serviceUserValues: 'named',
  commandApprovals: 'named',
  upstreamObjects: 'named',
  usage: 'numbered',
  usageDaily: 'named',
  audit: 'numbered',
  promptLog: 'numbered',
} as const satisfies Record<TableName, 'named' | 'numbered'>

const tableNames = Object.keys(tables) as TableName[]

/** Rows a step: the widest table stays below the 32,766 parameters of SQLite. */
const rowsPerStep = 500

/** Replaces every row of `target` by those of `source`; both ends have the same schema. */
export async function copyRows(source: CopyEnd, target: CopyEnd): Promise<void> {
  for (const table of tableNames.toReversed()) await target.trx.deleteFrom(table).execute()
  for (const table of tableNames) {
    for await (const rows of readTable(source, table)) {
      // The rows were read from the table of the same name, which no type can say.
      await target.trx
        .insertInto(table)
        .values(rows as never)
        .execute()
    }
    if (target.engine === 'postgres' && tables[table] === 'numbered') {
      await continueNumbering(target.trx, table)
    }
  }
}

/** Says whether the database holds anything that somebody put there. */
export async function hasRows(db: Kysely<Schema>): Promise<boolean> {
  for (const table of tableNames) {
    const query = db
      .selectFrom(table)
      .select(sql<number>`1`.as('found'))
      .limit(2)
    const { length } = await query.execute()
    // The workspace `default` is there from the start.
    if (length > (table === 'workspaces' ? 1 : 0)) return true
  }
  return false
}

function readTable(source: CopyEnd, table: TableName): AsyncGenerator<Row[]> {
  return source.engine === 'sqlite'
    ? readByRowId(source.trx, table)
    : readByCursor(source.trx, table)
}

async function* readByCursor(trx: Transaction<Schema>, table: TableName): AsyncGenerator<Row[]> {
  await sql`declare copy no scroll cursor for select * from ${sql.table(table)}`.execute(trx)
  const step = sql<Row>`fetch ${sql.lit(rowsPerStep)} from copy`
  for (
    let { rows } = await step.execute(trx);
    rows.length > 0;
    { rows } = await step.execute(trx)
  ) {
    yield rows
  }
  await sql`close copy`.execute(trx)
}

async function* readByRowId(trx: Transaction<Schema>, table: TableName): AsyncGenerator<Row[]> {
  let after = 0
  for (;;) {
    const { rows } = await sql<Row & { rowNumber: number }>`
      select *, rowid as "rowNumber" from ${sql.table(table)}
      where rowid > ${after} order by rowid limit ${rowsPerStep}`.execute(trx)
    if (rows.length === 0) return
    yield rows.map(({ rowNumber, ...row }) => {
      after = rowNumber
      return row
    })
  }
}

async function continueNumbering(trx: Transaction<Schema>, table: TableName): Promise<void> {
  await sql`select setval(pg_get_serial_sequence(${`"${table}"`}, 'id'), coalesce(max(id), 0) + 1, false)
    from ${sql.table(table)}`.execute(trx)
}
