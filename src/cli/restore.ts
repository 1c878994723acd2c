import type { Config } from '../config/schema.ts'
import { restore } from '../server/backup.ts'

/** What `portico restore` is asked for. */
export interface RestoreRequest {
  readonly file: string
  /** Replace the data that is there. */
  readonly force: boolean
  readonly config: Config
}

/** Replaces the database by a backup while no server runs, and prints what the server needs besides. */
export async function runRestore({ file, force, config }: RestoreRequest): Promise<void> {
  await restore(config, { file, force })
  console.log(`Restored ${file}.`)
  console.log('Start with the encryption key that was in use when it was written; it is not in it.')
}
