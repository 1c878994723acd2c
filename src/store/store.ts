import { dirname, join, resolve } from 'node:path'
import { sql } from 'kysely'
import type { BulkInsert } from './bulk-insert.ts'
import type { Compilable, Kysely } from 'kysely'
import type { Secret } from '../config/secret.ts'
import type { Log } from '../lib/log.ts'
import { writeBackup } from './backup.ts'
import { connect } from './connect.ts'
import { createPrivateFolder, holdLock } from './data-folder.ts'
import { parseDatabaseUrl } from './database-url.ts'
import type { DatabaseTarget } from './database-url.ts'
import type { Engine } from './migrations.ts'
import type { Schema } from './schema.ts'

/** Where the store is. */
export interface StoreLocation {
  /** As `parseDatabaseUrl` reads it. */
  readonly databaseUrl?: Secret | string | undefined
  readonly dataDir: string
}

/** Where the store is, and who is told of trouble with it. */
export interface StoreOptions extends StoreLocation {
  readonly log?: Log | undefined
}

/** The open database. Disposing of it waits for what is under way and frees the lock. */
export interface Store extends AsyncDisposable {
  readonly engine: Engine
  /**
   * Queries reject with `conflict` (unique, foreign key), `invalid_request` (a value that cannot be stored),
   * `internal_error` (a bug of ours) or `storage_failed` (worth another try).
   * @NOTE Inside `transaction().execute(…)` use only the transaction: SQLite has one connection, so a query on `db`
   * waits for the transaction that waits for it, until both fail.
   */
  readonly db: Kysely<Schema>
  /** Runs the queries in one transaction, in order, without their results. On SQLite this is a single hop to its thread. */
  batch(queries: readonly (Compilable | BulkInsert)[]): Promise<void>
  /** Resolves when the database answers; rejects with `storage_failed` when not. */
  check(): Promise<void>
  /** Writes a consistent copy, as `writeBackup` does, while everything goes on. */
  backup(file: string): Promise<void>
}

/**
 * Opens the store and brings its schema up to date; whoever opened it disposes of it.
 * Throws `store_locked`, `store_too_new`, `invalid_config` for a URL of an unknown kind, `storage_failed` when the
 * database cannot be opened.
 */
export async function openStore({ log, ...location }: StoreOptions): Promise<Store> {
  const target = locate(location)
  await using scope = new AsyncDisposableStack()
  scope.use(lockStore(target, location.dataDir))
  const { db, engine, ...connection } = scope.use(await connect(target, log))
  await connection.migrate()

  const owned = scope.move()
  return {
    engine,
    db,
    batch: (queries) => connection.batch(queries),
    check: async () => void (await sql`select 1`.execute(db)),
    backup: (file) => writeBackup(target, file),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The database that a location names. Throws `invalid_config`. */
export function locate({ databaseUrl, dataDir }: StoreLocation): DatabaseTarget {
  const url = typeof databaseUrl === 'object' ? databaseUrl.reveal() : databaseUrl
  return parseDatabaseUrl(url, dataDir)
}

/**
 * Keeps other processes off the data folder, and off a database file that lies elsewhere, until disposed of.
 * Throws `store_locked`.
 */
export function lockStore(target: DatabaseTarget, dataDir: string): Disposable {
  using scope = new DisposableStack()
  createPrivateFolder(dataDir)
  scope.use(holdLock(join(dataDir, 'portico.lock')))
  if (target.engine === 'sqlite' && dirname(target.file) !== resolve(dataDir)) {
    scope.use(holdLock(`${target.file}.lock`))
  }
  return scope.move()
}
