import { restoreStore } from '../store/restore.ts'
import type { StoreLocation } from '../store/store.ts'

/** What `portico restore` is asked for. */
export interface RestoreRequest {
  readonly file: string
  /** Replace the data that is there. */
  readonly force: boolean
  readonly config: StoreLocation
}

/** Replaces the database by a backup while no server runs, and prints what the server needs besides. */
export async function runRestore({ file, force, config }: RestoreRequest): Promise<void> {
  await restoreStore(config, { file, force })
  console.log(`Restored ${file}.`)
  console.log('Start with the encryption key that was in use when it was written; it is not in it.')
}
