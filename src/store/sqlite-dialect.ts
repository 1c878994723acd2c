import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely'
import type { SQLInputValue } from 'node:sqlite'
import type { SqliteThread } from './sqlite-thread.ts'
import type { SqlStatement } from './sqlite-worker.ts'
import type { Turn } from './turn.ts'

/** Kysely's way to a SQLite thread. `turn` keeps the statements of others out of a transaction. The thread stays the caller's. */
export function createSqliteDialect(thread: SqliteThread, turn: Turn): Dialect {
  return {
    createDriver: () => createDriver(thread, turn),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new QueueingSqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  }
}

/** One compiled query as the thread takes it. */
export function toStatement(query: CompiledQuery): SqlStatement {
  return { sql: query.sql, parameters: query.parameters as readonly SQLInputValue[] }
}

/** Says that connections may be asked for concurrently: the driver queues by itself, where Kysely's mutex wakes every waiter each time. */
class QueueingSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

function createDriver(thread: SqliteThread, turn: Turn): Driver {
  const connection = createConnection(thread)
  const execute = async (sql: string) => void (await thread.run({ sql, parameters: [] }))

  return {
    init: () => Promise.resolve(),
    acquireConnection: async () => {
      await turn.take()
      return connection
    },
    // `immediate` takes the write lock at once: a later upgrade could fail without waiting.
    beginTransaction: () => execute('begin immediate'),
    commitTransaction: () => execute('commit'),
    rollbackTransaction: () => thread.rollback(),
    releaseConnection: () => Promise.resolve(turn.pass()),
    destroy: () => Promise.resolve(),
  }
}

function createConnection(thread: SqliteThread): DatabaseConnection {
  async function executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const { rows, changes, lastInsertId } = await thread.run(toStatement(query))
    return {
      rows: rows as Row[],
      ...(changes !== undefined && { numAffectedRows: BigInt(changes) }),
      ...(lastInsertId !== undefined && { insertId: BigInt(lastInsertId) }),
    }
  }

  return {
    executeQuery,
    async *streamQuery(query) {
      yield await executeQuery(query)
    },
  }
}
