import { copyFileSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { createLocation, engines, openTestStore } from '../../test/support/store.ts'
import { writeBackup } from './backup.ts'
import { restoreStore } from './restore.ts'
import { locate, openStore } from './store.ts'
import type { Store, StoreLocation } from './store.ts'

describe.each(engines)('a backup from %s', (engine) => {
  test.each(engines)(
    'restores every row to %s, and numbering goes on behind them',
    async (other) => {
      await using source = await openTestStore(engine)
      await fill(source)
      const file = join(source.location.dataDir, 'copy.db')
      await source.backup(file)

      await using location = await createLocation(other)
      await restoreStore(location, { file, force: false })
      await using restored = await openStore(location)
      for (const table of tables) {
        const [before, after] = [await readAll(source, table), await readAll(restored, table)]
        expect(after).toEqual(before)
        expect(after.length).toBeGreaterThan(0)
      }
      await addAudit(restored, 'later')
      const ids = (await readAll(restored, 'audit')).map((row) => Number(row.id))
      expect(Math.max(...ids)).toBe(ids.length)
    },
  )

  test('is of one moment while everything goes on', async () => {
    await using store = await openTestStore(engine)
    const stop = new AbortController()
    const writing = writePairs(store, stop.signal)
    const file = join(store.location.dataDir, 'copy.db')
    // As the command does: without the store, past its lock.
    await writeBackup(locate(store.location), file).finally(() => stop.abort())
    await writing
    using copy = new DatabaseSync(file, { readOnly: true })
    const { aliases, audits } = copy
      .prepare(
        `select (select count(*) from aliases) as aliases, (select count(*) from audit) as audits`,
      )
      .get() as { aliases: number; audits: number }
    expect(aliases).toBe(audits)
  })

  test('is one file for its owner alone, and never replaces another', async () => {
    await using store = await openTestStore(engine)
    const folder = join(store.location.dataDir, 'backups')
    const file = join(folder, 'copy.db')
    await store.backup(file)
    expect(readdirSync(folder)).toEqual(['copy.db'])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    await expect(store.backup(file)).rejects.toMatchObject({ code: 'already_exists' })
  })

  test('is restored over existing data by force only', async () => {
    await using location = await createLocation(engine)
    const file = join(location.dataDir, 'copy.db')
    await withStore(location, (store) => store.backup(file))
    await withStore(location, fill)

    await expect(restoreStore(location, { file, force: false })).rejects.toMatchObject({
      code: 'already_exists',
    })
    await withStore(location, async (store) => expect(await readAll(store, 'keys')).toHaveLength(1))
    await restoreStore(location, { file, force: true })
    await withStore(location, async (store) => expect(await readAll(store, 'keys')).toEqual([]))
  })

  test('is not restored while a server uses the data folder', async () => {
    await using store = await openTestStore(engine)
    const file = join(store.location.dataDir, 'copy.db')
    await store.backup(file)
    const restore = restoreStore(store.location, { file, force: true })
    await expect(restore).rejects.toMatchObject({ code: 'store_locked' })
  })

  test('is refused when it is not intact, and the old data stays', async () => {
    await using location = await createLocation(engine)
    const file = join(location.dataDir, 'copy.db')
    await withStore(location, async (store) => {
      await fill(store)
      await store.backup(file)
    })
    for (const [name, damage] of Object.entries(damages)) {
      const damaged = join(location.dataDir, `${name}.db`)
      copyFileSync(file, damaged)
      damage(damaged)
      const restore = restoreStore(location, { file: damaged, force: true })
      await expect(restore).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining(name),
      })
    }
    await withStore(location, async (store) => expect(await readAll(store, 'keys')).toHaveLength(1))
    expect(readdirSync(location.dataDir).filter((entry) => entry.includes('draft'))).toEqual([])
  })
})

test('a backup of a newer version is refused', async () => {
  await using location = await createLocation('sqlite')
  const file = join(location.dataDir, 'copy.db')
  await withStore(location, (store) => store.backup(file))
  using copy = new DatabaseSync(file)
  copy.exec(`insert into migrations (name) values ('999-from-the-future')`)
  const restore = restoreStore(location, { file, force: true })
  await expect(restore).rejects.toMatchObject({ code: 'store_too_new' })
})

test('there is no backup of a database that does not exist, and none is made on the way', async () => {
  await using location = await createLocation('sqlite')
  const write = writeBackup(locate(location), join(location.dataDir, 'copy.db'))
  await expect(write).rejects.toMatchObject({ code: 'not_found' })
  expect(readdirSync(location.dataDir)).toEqual([])
  const restore = restoreStore(location, { file: join(location.dataDir, 'copy.db'), force: false })
  await expect(restore).rejects.toMatchObject({ code: 'not_found' })
})

const damages: Readonly<Record<string, (file: string) => void>> = {
  text: (file) => writeFileSync(file, 'this is no database'),
  empty: (file) => writeFileSync(file, ''),
  cut: (file) => writeFileSync(file, readFileSync(file).subarray(0, 8192)),
  overwritten: (file) => {
    const bytes = readFileSync(file)
    bytes.fill(0xff, 8192, 8192 + 4096)
    writeFileSync(file, bytes)
  },
}

const tables = ['workspaces', 'keys', 'usage', 'usageDaily', 'audit', 'upstreamObjects'] as const

async function readAll(
  store: Store,
  table: (typeof tables)[number],
): Promise<readonly { id?: unknown }[]> {
  const rows = await store.db.selectFrom(table).selectAll().execute()
  return rows.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))
}

async function withStore(
  location: StoreLocation,
  act: (store: Store) => Promise<unknown>,
): Promise<void> {
  await using store = await openStore(location)
  await act(store)
}

/** At least a row in each table, and more in one of them than are copied in one step. */
async function fill(store: Store): Promise<void> {
  const owner = { workspaceId: 'default', keyId: 'k' }
  await store.db.insertInto('keys').values(key).execute()
  const usage = {
    ...owner,
    at: 1,
    requestId: 'r',
    route: 'chat/completions',
    status: 200,
    usageSource: 'absent',
    attempts: 1,
    latencyMs: 1,
  }
  await store.db
    .insertInto('usage')
    .values(Array.from({ length: 1201 }, () => usage))
    .execute()
  const sums = { requests: 1, errors: 0, inputTokens: 1, outputTokens: 1, cachedTokens: 0 }
  await store.db
    .insertInto('usageDaily')
    .values({
      ...owner,
      ...sums,
      day: '2026-01-01',
      model: '',
      providerId: '',
      costNanoUsd: 2 ** 50,
    })
    .execute()
  await store.db
    .insertInto('upstreamObjects')
    .values({ workspaceId: 'default', objectId: 'o', providerId: 'p', createdAt: 1 })
    .execute()
  await addAudit(store, 'first')
}

async function addAudit(store: Store, targetId: string): Promise<void> {
  await store.db
    .insertInto('audit')
    .values({
      at: 1,
      workspaceId: 'default',
      actor: 'system',
      action: 'key.create',
      targetType: 'key',
      targetId,
      requestId: 'r',
      ip: '127.0.0.1',
    })
    .execute()
}

/** Writes one row into each of two tables, in one transaction, again and again. */
async function writePairs(store: Store, signal: AbortSignal): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    await store.batch([
      store.db.insertInto('aliases').values({
        id: `a${number}`,
        workspaceId: 'default',
        name: `a${number}`,
        targetsJson: '[]',
        enabled: 1,
        createdAt: 1,
        updatedAt: 1,
      }),
      store.db.insertInto('audit').values({
        at: 1,
        workspaceId: 'default',
        actor: 'system',
        action: 'alias.create',
        targetType: 'alias',
        targetId: `a${number}`,
        requestId: 'r',
        ip: '127.0.0.1',
      }),
    ])
  }
}

const key = {
  id: 'k',
  workspaceId: 'default',
  name: 'k',
  hash: 'h',
  prefix: 'ptk_abcd',
  last4: 'wxyz',
  scopesJson: '[]',
  enabled: 1,
  allowUnpriced: 0,
  allowQuery: 0,
  cacheResponses: 0,
  logPrompts: 0,
  createdAt: 1,
  updatedAt: 1,
}
