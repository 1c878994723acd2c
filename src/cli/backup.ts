import type { Config } from '../config/schema.ts'
import { backUp } from '../server/backup.ts'

/** What `portico backup` is asked for. */
export interface BackupRequest {
  readonly file: string
  readonly config: Config
}

/** Writes a consistent copy of the database, also while a server runs, and prints where it is and what it lacks. */
export async function runBackup({ file, config }: BackupRequest): Promise<void> {
  await backUp(config, file)
  console.log(`Wrote ${file}.`)
  console.log(
    'Credentials in it are encrypted, and the encryption key is not in it: keep that apart.',
  )
}
