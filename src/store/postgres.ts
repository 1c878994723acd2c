import { PostgresDialect } from 'kysely'
import type { Dialect, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { Log } from '../lib/log.ts'
import { toPostgresError } from './fault.ts'

const connectTimeoutMs = 10_000
const queryTimeoutMs = 60_000
const connectionsMax = 10

/** Type ids of PostgreSQL that arrive as text unless told otherwise: int8, and numeric, which sums of int8 are. */
const int8 = 20
const numeric = 1700

/**
 * Kysely's way to a pool of PostgreSQL connections; destroying the Kysely instance ends the pool.
 * Statements reject with what `toPostgresError` says. int8 and numeric arrive as numbers.
 */
export function createPostgresDialect(url: string, log?: Log): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    types: { getTypeParser },
  })
  // Without a listener, the loss of an idle connection would end the process; the pool replaces it by itself.
  pool.on('error', (error) => log?.warn({ err: error }, 'lost an idle database connection'))

  return new PostgresDialect({
    pool: {
      options: pool.options,
      connect: () => pool.connect().then(translateFaults, rejectTranslated),
      end: () => pool.end(),
    },
  })
}

function getTypeParser(...[oid, format]: Parameters<typeof pg.types.getTypeParser>) {
  return oid === int8 || oid === numeric ? toSafeNumber : pg.types.getTypeParser(oid, format)
}

function toSafeNumber(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`${text} is too large for a number`)
  }
  return value
}

/** The client as Kysely uses it, with the errors of its statements translated. */
function translateFaults(client: pg.PoolClient): PostgresPoolClient {
  const query = (text: string, parameters: readonly unknown[]): Promise<unknown> =>
    client.query(text, [...parameters]).catch(rejectTranslated)
  return {
    // Kysely's second form of `query` takes a cursor, which this dialect does not offer.
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(destroy),
  }
}

function rejectTranslated(error: unknown): never {
  const { message, code } = error as { message: string; code?: string }
  throw toPostgresError({ message, code })
}
