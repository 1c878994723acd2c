import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'

// The thread that owns one SQLite connection, so that an fsync stalls this thread and never a stream of the main one.

/** One statement with its parameters in order. */
export interface SqlStatement {
  readonly sql: string
  readonly parameters: readonly SQLInputValue[]
  /** JSON: an array of parameter lists, with each of which the statement is run instead. */
  readonly rowsJson?: string
}

/** What a statement gave back: rows if it returns any, else how many it changed. */
export interface SqlOutcome {
  readonly rows: Record<string, unknown>[]
  readonly changes: number | undefined
  readonly lastInsertId: number | undefined
}

/** One message to the thread. `run` takes one statement, `atomic` wraps any number in a transaction of their own. */
export interface SqliteCall {
  readonly id: number
  readonly mode: 'run' | 'atomic' | 'rollback'
  readonly statements: readonly SqlStatement[]
}

/** The answer to the call of the same id. */
export type SqliteAnswer =
  | { readonly id: number; readonly outcomes: readonly SqlOutcome[] }
  | { readonly id: number; readonly fault: { message: string; code: number | undefined } }

/** Handed over when the thread starts. */
export interface SqliteWorkerData {
  readonly file: string
}

const statementsMax = 200
const busyTimeoutMs = 5000

if (parentPort) serve(parentPort, workerData as SqliteWorkerData)

function serve(port: NonNullable<typeof parentPort>, { file }: SqliteWorkerData): void {
  const db = openDatabase(file)
  const prepared = new LRUCache<string, Prepared>({ max: statementsMax })

  port.on('message', (call: SqliteCall | 'close') => {
    if (call === 'close') {
      db.close()
      port.close()
    } else {
      port.postMessage(answer({ db, prepared }, call))
    }
  })
}

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
}

interface Connection {
  readonly db: DatabaseSync
  readonly prepared: LRUCache<string, Prepared>
}

function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file, {
    timeout: busyTimeoutMs,
    enableForeignKeyConstraints: true,
    defensive: true,
  })
  db.exec('pragma journal_mode = wal')
  db.exec('pragma synchronous = full')
  return db
}

function answer(connection: Connection, { id, mode, statements }: SqliteCall): SqliteAnswer {
  const { db } = connection
  try {
    if (mode === 'atomic') db.exec('begin immediate')
    // A full disk makes SQLite roll back by itself; a second rollback would only hide the first error.
    if (mode === 'rollback' && db.isTransaction) db.exec('rollback')
    const outcomes = statements.map((statement) => run(connection, statement))
    if (mode === 'atomic') db.exec('commit')
    return { id, outcomes }
  } catch (error) {
    if (mode === 'atomic' && db.isTransaction) db.exec('rollback')
    return { id, fault: describe(error) }
  }
}

function run(
  { db, prepared }: Connection,
  { sql, parameters, rowsJson }: SqlStatement,
): SqlOutcome {
  let entry = prepared.get(sql)
  if (!entry) {
    const statement = db.prepare(sql)
    entry = { statement, returnsRows: statement.columns().length > 0 }
    prepared.set(sql, entry)
  }
  if (rowsJson !== undefined) return runRows(entry.statement, rowsJson)
  if (entry.returnsRows) {
    return {
      rows: entry.statement.all(...parameters),
      changes: undefined,
      lastInsertId: undefined,
    }
  }
  const { changes, lastInsertRowid } = entry.statement.run(...parameters)
  return { rows: [], changes: Number(changes), lastInsertId: Number(lastInsertRowid) }
}

function runRows(statement: StatementSync, rowsJson: string): SqlOutcome {
  const rows = JSON.parse(rowsJson) as SQLInputValue[][]
  for (const parameters of rows) statement.run(...parameters)
  return { rows: [], changes: rows.length, lastInsertId: undefined }
}

/** An error loses its own properties on the way to the other thread, so the code travels beside the message. */
function describe(error: unknown): { message: string; code: number | undefined } {
  const errcode = (error as { errcode?: unknown }).errcode
  return {
    message: error instanceof Error ? error.message : String(error),
    code: typeof errcode === 'number' ? errcode : undefined,
  }
}
