import { Kysely } from 'kysely'
import type { Compilable } from 'kysely'
import type { Log } from '../lib/log.ts'
import { createPrivateFile } from './data-folder.ts'
import type { DatabaseTarget } from './database-url.ts'
import { migrate } from './migrations.ts'
import type { Engine } from './migrations.ts'
import type { Schema } from './schema.ts'
import { rowStatement, wholeStatement } from './bulk-insert.ts'
import type { BulkInsert } from './bulk-insert.ts'
import { createSqliteDialect, toStatement } from './sqlite-dialect.ts'
import { startSqliteThread } from './sqlite-thread.ts'
import type { SqlStatement } from './sqlite-worker.ts'
import { createTurn } from './turn.ts'

/** A database that is open, whatever the state of its schema. Disposing of it waits for what is under way. */
export interface Connection extends AsyncDisposable {
  readonly engine: Engine
  readonly db: Kysely<Schema>
  /** Runs the queries in one transaction, in order, without their results. */
  batch(queries: readonly (Compilable | BulkInsert)[]): Promise<void>
  /** Brings the schema up to date. Throws `store_too_new`. */
  migrate(): Promise<void>
}

const turnTimeoutMs = 30_000

/** Opens the database, creating the file of an embedded one. Takes no lock. Throws `storage_failed` when it cannot be opened. */
export async function connect(target: DatabaseTarget, log?: Log): Promise<Connection> {
  return target.engine === 'sqlite' ? connectSqlite(target.file) : connectPostgres(target.url, log)
}

/** Opens a SQLite file, creating it for its owner alone. */
export async function connectSqlite(file: string): Promise<Connection> {
  createPrivateFile(file)
  const thread = await startSqliteThread(file)
  const turn = createTurn(turnTimeoutMs)
  const db = new Kysely<Schema>({ dialect: createSqliteDialect(thread, turn) })
  return {
    engine: 'sqlite',
    db,
    async batch(queries) {
      const statements = queries.map(toBatchStatement)
      await turn.take()
      await thread.runAtomic(statements).finally(() => turn.pass())
    },
    migrate: () => migrate(db, 'sqlite'),
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  }
}

async function connectPostgres(url: string, log: Log | undefined): Promise<Connection> {
  const { createPostgresDialect } = await import('./postgres.ts')
  const db = new Kysely<Schema>({ dialect: createPostgresDialect(url, log) })
  return {
    engine: 'postgres',
    db,
    batch: (queries) =>
      db.transaction().execute(async (trx) => {
        for (const query of queries) {
          if ('rowsJson' in query) await wholeStatement(query).execute(trx)
          else await trx.executeQuery(query.compile())
        }
      }),
    migrate: () => migrate(db, 'postgres'),
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}

function toBatchStatement(query: Compilable | BulkInsert): SqlStatement {
  return 'rowsJson' in query
    ? { sql: rowStatement(query), parameters: [], rowsJson: query.rowsJson }
    : toStatement(query.compile())
}
