import { existsSync } from 'node:fs'
import { sql } from 'kysely'
import { AppError } from '../lib/errors.ts'
import { connect, connectSqlite } from './connect.ts'
import { copyRows } from './copy-rows.ts'
import { createDraft } from './data-folder.ts'
import type { DatabaseTarget } from './database-url.ts'
import { startSqliteThread } from './sqlite-thread.ts'

/**
 * Writes a copy of the whole database as of one moment into `file`, a SQLite database whatever the engine, readable by
 * its owner alone. Needs no lock: a server, of this process or another, keeps reading and writing meanwhile.
 * Secrets in it stay sealed; the master key is not part of it.
 * Throws `already_exists` when the file is there, `not_found` when there is no database yet.
 */
export async function writeBackup(target: DatabaseTarget, file: string): Promise<void> {
  if (existsSync(file)) {
    throw new AppError('already_exists', `${file} is already there.`, {
      hint: 'Choose another name, or remove the file.',
    })
  }
  using draft = createDraft(file)
  if (target.engine === 'sqlite') await copyFile(target.file, draft.path)
  else await dump(target, draft.path)
  draft.publish()
}

/** `vacuum into` reads in one transaction, which in WAL mode hinders no writer, and leaves out the remains of deleted rows. */
async function copyFile(source: string, destination: string): Promise<void> {
  if (!existsSync(source)) throw new AppError('not_found', `There is no database at ${source}.`)
  await using thread = await startSqliteThread(source)
  await thread.run({ sql: 'vacuum into ?', parameters: [destination] })
}

async function dump(source: DatabaseTarget, destination: string): Promise<void> {
  await using from = await connect(source)
  await using to = await connectSqlite(destination)
  await from.migrate()
  await to.migrate()
  await from.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (reading) => {
      await to.db.transaction().execute(async (writing) => {
        await copyRows({ engine: 'postgres', trx: reading }, { engine: 'sqlite', trx: writing })
      })
    })
  // Leaves one file that needs no others beside it.
  await sql`pragma journal_mode = delete`.execute(to.db)
}
