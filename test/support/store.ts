import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../src/store/migrations.ts'
import { openStore } from '../../src/store/store.ts'
import type { Store, StoreLocation } from '../../src/store/store.ts'
import { createPostgresDatabase, hasPostgres } from './services.ts'

/** The engines on which a suite can run here, for `describe.each`. */
export const engines: readonly Engine[] = hasPostgres ? ['sqlite', 'postgres'] : ['sqlite']

/** A fresh store, with the workspace `default`, and where it is. */
export type TestStore = Store & { readonly location: StoreLocation }

/** Opens a fresh store. Disposing of it removes everything. */
export async function openTestStore(engine: Engine = 'sqlite'): Promise<TestStore> {
  await using scope = new AsyncDisposableStack()
  const location = scope.use(await createLocation(engine))
  const store = scope.use(await openStore(location))
  const owned = scope.move()
  return { ...store, location, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A data folder and, for PostgreSQL, a database that nobody has opened yet. Disposing of it removes both. */
export async function createLocation(engine: Engine): Promise<StoreLocation & AsyncDisposable> {
  await using scope = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-store-'))
  scope.defer(() => rm(dataDir, { recursive: true, force: true }))
  const database = engine === 'postgres' ? scope.use(await createPostgresDatabase()) : undefined
  const owned = scope.move()
  return {
    dataDir,
    databaseUrl: database?.url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
