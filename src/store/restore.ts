import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { AppError } from '../lib/errors.ts'
import { connect, connectSqlite } from './connect.ts'
import type { Connection } from './connect.ts'
import { copyRows, hasRows } from './copy-rows.ts'
import { createDraft, removeSideFiles } from './data-folder.ts'
import type { DatabaseTarget } from './database-url.ts'
import { refuseUnknown } from './migrations.ts'
import { locate, lockStore } from './store.ts'
import type { StoreLocation } from './store.ts'

/** What to restore, and whether over existing data. */
export interface RestoreOptions {
  /** A file that `writeBackup` wrote. */
  readonly file: string
  readonly force: boolean
}

/**
 * Replaces the database by a backup: the file as a whole on SQLite, every row in one transaction on PostgreSQL.
 * The backup is verified first, and until the last step the old data is untouched.
 * Throws `store_locked` while a server uses the data folder, `already_exists` when there is data and no `force`,
 * `not_found` and `invalid_request` when the file is missing or no backup, `store_too_new` when its version is.
 */
export async function restoreStore(
  location: StoreLocation,
  options: RestoreOptions,
): Promise<void> {
  if (!existsSync(options.file)) throw new AppError('not_found', `There is no ${options.file}.`)
  const target = locate(location)
  using _lock = lockStore(target, location.dataDir)
  if (target.engine === 'sqlite') await restoreFile(target.file, options)
  else await restoreRows(target, { ...options, draftFor: join(location.dataDir, 'restore.db') })
}

async function restoreFile(target: string, { file, force }: RestoreOptions): Promise<void> {
  if (existsSync(target) && !force) throw alreadyThere(target)
  using draft = createDraft(target)
  copyFileSync(file, draft.path)
  await (await openBackup(draft.path, file))[Symbol.asyncDispose]()
  // Before the rename: the log of the old database would be played into the new one.
  removeSideFiles(target)
  draft.publish()
}

async function restoreRows(
  target: DatabaseTarget,
  { file, force, draftFor }: RestoreOptions & { readonly draftFor: string },
): Promise<void> {
  using draft = createDraft(draftFor)
  copyFileSync(file, draft.path)
  await using from = await openBackup(draft.path, file)
  await using to = await connect(target)
  await from.migrate()
  await to.migrate()
  if (!force && (await hasRows(to.db))) throw alreadyThere('The database')
  await from.db.transaction().execute(async (reading) => {
    await to.db.transaction().execute(async (writing) => {
      await copyRows({ engine: 'sqlite', trx: reading }, { engine: 'postgres', trx: writing })
    })
  })
}

/** Opens a copy of a backup once it has proved to be one. */
async function openBackup(copy: string, file: string): Promise<Connection> {
  const refuse = (cause: unknown): never => {
    throw new AppError('invalid_request', `${file} is not an intact backup.`, {
      hint: 'Restore a file that portico backup has written.',
      cause,
    })
  }
  await using scope = new AsyncDisposableStack()
  const backup = scope.use(await connectSqlite(copy).catch(refuse))
  const { rows: found } = await sql<{ integrity_check: string }>`pragma integrity_check`
    .execute(backup.db)
    .catch(refuse)
  if (found[0]?.integrity_check !== 'ok') refuse(new Error(found[0]?.integrity_check))
  const { rows } = await sql<{ name: string }>`select name from migrations`
    .execute(backup.db)
    .catch(refuse)
  refuseUnknown(new Set(rows.map(({ name }) => name)))
  scope.move()
  return backup
}

function alreadyThere(what: string): AppError {
  return new AppError('already_exists', `${what} holds data already.`, {
    hint: 'Use --force to replace it.',
  })
}
