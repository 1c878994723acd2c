import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../src/store/store.ts'
import type { Store } from '../../src/store/store.ts'

/** A fresh SQLite store in a folder of its own, with the workspace `default`. Disposing of it removes the folder. */
export async function openTestStore(): Promise<Store & { readonly dataDir: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-store-'))
  const store = await openStore({ dataDir })
  return {
    ...store,
    dataDir,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
