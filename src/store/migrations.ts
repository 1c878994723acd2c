import { sql } from 'kysely'
import type { Kysely, QueryExecutorProvider, SchemaModule } from 'kysely'
import { AppError } from '../lib/errors.ts'
import { createInitialTables } from './migrations/001-initial.ts'
import { createServiceTables } from './migrations/002-services.ts'
import type { Schema } from './schema.ts'

/** The kind of database underneath. */
export type Engine = 'sqlite' | 'postgres'

/** The transaction of a migration, without the current row types: the tables are those of its moment. */
export type MigrationTransaction = QueryExecutorProvider & { readonly schema: SchemaModule }

/** One step forward of the schema. */
type Migration = (trx: MigrationTransaction, engine: Engine) => Promise<void>

/** Every migration in order. Names are recorded in databases: never rename, reorder or edit one that was released. */
const migrations: readonly { readonly name: string; readonly up: Migration }[] = [
  { name: '001-initial', up: createInitialTables },
  { name: '002-services', up: createServiceTables },
]

/** Any number will do, as long as every Portico takes the same one. */
const advisoryLockId = 8437

/**
 * Brings the database up to date in one transaction, alone: of several processes that start together one migrates and
 * the others wait. Throws `store_too_new` when a migration was applied that this version does not know.
 */
export async function migrate(db: Kysely<Schema>, engine: Engine): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // SQLite needs no more than the transaction, which begins with the write lock.
    if (engine === 'postgres')
      await sql`select pg_advisory_xact_lock(${advisoryLockId})`.execute(trx)
    await sql`create table if not exists migrations (name text primary key)`.execute(trx)
    const { rows } = await sql<{ name: string }>`select name from migrations`.execute(trx)
    const applied = new Set(rows.map((row) => row.name))
    refuseUnknown(applied)
    for (const { name, up } of migrations.filter((migration) => !applied.has(migration.name))) {
      await up(trx, engine)
      await sql`insert into migrations (name) values (${name})`.execute(trx)
    }
  })
}

/** Throws `store_too_new` when the set holds a name that this version does not know. */
export function refuseUnknown(applied: ReadonlySet<string>): void {
  const unknown = applied.difference(new Set(migrations.map((migration) => migration.name)))
  if (unknown.size === 0) return
  throw new AppError(
    'store_too_new',
    `The database has migrations that this version does not know: ${[...unknown].join(', ')}.`,
  )
}
