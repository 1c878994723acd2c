import { writeBackup } from '../store/backup.ts'
import { locate } from '../store/store.ts'
import type { StoreLocation } from '../store/store.ts'

/** What `portico backup` is asked for. */
export interface BackupRequest {
  readonly file: string
  readonly config: StoreLocation
}

/** Writes a consistent copy of the database, also while a server runs, and prints where it is and what it lacks. */
export async function runBackup({ file, config }: BackupRequest): Promise<void> {
  await writeBackup(locate(config), file)
  console.log(`Wrote ${file}.`)
  console.log(
    'Credentials in it are encrypted, and the encryption key is not in it: keep that apart.',
  )
}
