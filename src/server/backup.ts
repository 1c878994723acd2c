import type { Config } from '../config/schema.ts'
import { writeBackup } from '../store/backup.ts'
import { restoreStore } from '../store/restore.ts'
import type { RestoreOptions } from '../store/restore.ts'
import { locate } from '../store/store.ts'

/** Writes a consistent copy of the configured database, also while a server runs. Throws what `writeBackup` throws. */
export async function backUp(config: Config, file: string): Promise<void> {
  await writeBackup(locate(config), file)
}

/** Replaces the configured database by a backup, while no server runs. Throws what `restoreStore` throws. */
export async function restore(config: Config, options: RestoreOptions): Promise<void> {
  await restoreStore(config, options)
}
