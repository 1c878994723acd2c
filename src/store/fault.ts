import { AppError } from '../lib/errors.ts'
import type { ErrorCode } from '../lib/errors.ts'

/** What a database says about a statement that failed. */
export interface DatabaseFault {
  readonly message: string
  /** SQLite's extended result code, or PostgreSQL's SQLSTATE; undefined when the fault is not the database's. */
  readonly code: number | string | undefined
}

type FaultCode = Extract<
  ErrorCode,
  'conflict' | 'invalid_request' | 'internal_error' | 'storage_failed'
>

const messages: Record<FaultCode, string> = {
  conflict: 'It collides with something that exists, or refers to something that does not.',
  invalid_request: 'It holds a value that the database cannot store.',
  internal_error: 'The store was asked for something it does not understand.',
  storage_failed: 'The store did not accept the change.',
}

/** https://sqlite.org/rescode.html. What is not listed is a matter of disk, memory or locks. */
const sqliteCodes: Readonly<Record<number, FaultCode>> = {
  787: 'conflict', // SQLITE_CONSTRAINT_FOREIGNKEY
  1555: 'conflict', // SQLITE_CONSTRAINT_PRIMARYKEY
  2067: 'conflict', // SQLITE_CONSTRAINT_UNIQUE
  18: 'invalid_request', // SQLITE_TOOBIG
  20: 'invalid_request', // SQLITE_MISMATCH
  3091: 'invalid_request', // SQLITE_CONSTRAINT_DATATYPE
  1: 'internal_error', // SQLITE_ERROR
  25: 'internal_error', // SQLITE_RANGE
  275: 'internal_error', // SQLITE_CONSTRAINT_CHECK
  1299: 'internal_error', // SQLITE_CONSTRAINT_NOTNULL
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html, by code, then by class. */
const postgresCodes: Readonly<Record<string, FaultCode>> = {
  '23503': 'conflict', // foreign_key_violation
  '23505': 'conflict', // unique_violation
  '22': 'invalid_request', // data exception
  '23': 'internal_error', // integrity constraint violation
  '42': 'internal_error', // syntax error or access rule violation
}

/** The error for a statement that SQLite refused. `storage_failed` is the only code for which trying again makes sense. */
export function toSqliteError(fault: DatabaseFault): AppError {
  if (typeof fault.code !== 'number') return toAppError('internal_error', fault)
  return toAppError(sqliteCodes[fault.code] ?? 'storage_failed', fault)
}

/** The error for a statement that PostgreSQL refused, or that did not reach it. Codes as in `toSqliteError`. */
export function toPostgresError(fault: DatabaseFault): AppError {
  const state = String(fault.code ?? '')
  return toAppError(
    postgresCodes[state] ?? postgresCodes[state.slice(0, 2)] ?? 'storage_failed',
    fault,
  )
}

function toAppError(code: FaultCode, fault: DatabaseFault): AppError {
  return new AppError(code, messages[code], {
    cause: new Error(fault.code === undefined ? fault.message : `${fault.message} (${fault.code})`),
  })
}
