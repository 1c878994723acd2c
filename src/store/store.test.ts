import { sql } from 'kysely'
import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { createLocation, engines, openTestStore } from '../../test/support/store.ts'
import { writeAudit } from './audit.ts'
import type { Store } from './store.ts'
import { openStore } from './store.ts'

describe.each(engines)('the store on %s', (engine) => {
  test('begins with the workspace default and nothing else', async () => {
    await using store = await openTestStore(engine)
    const rows = await store.db.selectFrom('workspaces').select(['id', 'name']).execute()
    expect(rows).toEqual([{ id: 'default', name: 'default' }])
    expect(await store.db.selectFrom('keys').selectAll().execute()).toEqual([])
  })

  test('keeps rows and applies no migration twice when it is opened again', async () => {
    await using location = await createLocation(engine)
    {
      await using store = await openStore(location)
      await addAlias(store, 'a')
    }
    await using store = await openStore(location)
    expect(await aliasIds(store)).toEqual(['a'])
  })

  test('refuses a database with a migration it does not know', async () => {
    await using location = await createLocation(engine)
    {
      await using store = await openStore(location)
      await sql`insert into migrations (name) values ('999-from-the-future')`.execute(store.db)
    }
    await expect(openStore(location)).rejects.toMatchObject({ code: 'store_too_new' })
  })

  test('undoes the whole transaction when a part of it fails', async () => {
    await using store = await openTestStore(engine)
    const change = store.db.transaction().execute(async (trx) => {
      await trx.insertInto('aliases').values(alias('a')).execute()
      await trx.insertInto('aliases').values(alias('a')).execute()
    })
    await expect(change).rejects.toMatchObject({ code: 'conflict' })
    expect(await aliasIds(store)).toEqual([])
  })

  test('keeps the statements of others out of a transaction', async () => {
    await using store = await openTestStore(engine)
    const entered = Promise.withResolvers<void>()
    const leave = Promise.withResolvers<void>()
    const failing = store.db.transaction().execute(async (trx) => {
      await trx.insertInto('aliases').values(alias('inside')).execute()
      entered.resolve()
      await leave.promise
      throw new Error('changed its mind')
    })
    await entered.promise
    const other = addAlias(store, 'outside')
    leave.resolve()
    await expect(failing).rejects.toThrow('changed its mind')
    await other
    expect(await aliasIds(store)).toEqual(['outside'])
  })

  test('works again after a transaction that failed to begin its work', async () => {
    await using store = await openTestStore(engine)
    const broken = store.db.transaction().execute((trx) => sql`select nonsense`.execute(trx))
    await expect(broken).rejects.toMatchObject({ code: 'internal_error' })
    await addAlias(store, 'a')
    expect(await aliasIds(store)).toEqual(['a'])
  })

  test('answers many concurrent queries, each with its own rows', async () => {
    await using store = await openTestStore(engine)
    const numbers = Array.from({ length: 500 }, (_, index) => index)
    const answers = await Promise.all(
      numbers.map((number) =>
        sql<{ n: number }>`select cast(${number} as integer) as n`.execute(store.db),
      ),
    )
    expect(answers.map(({ rows }) => rows[0]?.n)).toEqual(numbers)
  })

  test('gives integers above 32 bits, their sums and counts as numbers', async () => {
    await using store = await openTestStore(engine)
    const large = 2 ** 50 + 1
    await addUsage(store, { costNanoUsd: large })
    await addUsage(store, { costNanoUsd: 1 })
    const sums = await store.db
      .selectFrom('usage')
      .select((eb) => [
        eb.fn.sum('costNanoUsd').as('cost'),
        eb.fn.countAll().as('rows'),
        eb.fn.max('id').as('id'),
      ])
      .executeTakeFirstOrThrow()
    expect(sums).toEqual({ cost: large + 1, rows: 2, id: 2 })
  })

  test('says conflict for a name that is taken', async () => {
    await using store = await openTestStore(engine)
    await addAlias(store, 'a')
    const again = store.db
      .insertInto('aliases')
      .values({ ...alias('b'), name: 'a' })
      .execute()
    await expect(again).rejects.toMatchObject({ code: 'conflict' })
  })

  test('says conflict for a workspace that does not exist', async () => {
    await using store = await openTestStore(engine)
    const orphan = { ...alias('a'), workspaceId: 'nowhere' }
    const write = store.db.insertInto('aliases').values(orphan).execute()
    await expect(write).rejects.toMatchObject({ code: 'conflict' })
  })

  test('refuses text in a column of numbers', async () => {
    await using store = await openTestStore(engine)
    const wrong = { ...alias('a'), enabled: 'yes' as unknown as number }
    const write = store.db.insertInto('aliases').values(wrong).execute()
    await expect(write).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('removes what a workspace owns with it, but not what it has used', async () => {
    await using store = await openTestStore(engine)
    await addAlias(store, 'a')
    await addUsage(store, {})
    await store.db.deleteFrom('workspaces').where('id', '=', 'default').execute()
    expect(await aliasIds(store)).toEqual([])
    expect(await store.db.selectFrom('usage').select('workspaceId').execute()).toHaveLength(1)
  })

  test('reports how many rows a change touched', async () => {
    await using store = await openTestStore(engine)
    await addAlias(store, 'a')
    const update = store.db.updateTable('aliases').set({ enabled: 0 })
    const [first, second] = [update.where('id', '=', 'a'), update.where('id', '=', 'b')]
    expect((await first.executeTakeFirst()).numUpdatedRows).toBe(1n)
    expect((await second.executeTakeFirst()).numUpdatedRows).toBe(0n)
  })

  test('runs a batch as a whole or not at all', async () => {
    await using store = await openTestStore(engine)
    const insert = (id: string) => store.db.insertInto('aliases').values(alias(id))
    await store.batch([insert('a'), insert('b')])
    await expect(store.batch([insert('c'), insert('a')])).rejects.toMatchObject({
      code: 'conflict',
    })
    expect(await aliasIds(store)).toEqual(['a', 'b'])
  })

  test('runs batches and transactions beside each other without mixing them', async () => {
    await using store = await openTestStore(engine)
    const numbers = Array.from({ length: 40 }, (_, index) => index)
    await Promise.all(
      numbers.map((number) => {
        const insert = store.db.insertInto('aliases').values(alias(`batch${number}`))
        return number % 2 === 0
          ? store.batch([insert])
          : store.db.transaction().execute((trx) => trx.executeQuery(insert.compile()))
      }),
    )
    expect(await aliasIds(store)).toHaveLength(40)
  })

  test('keeps the audit row of a change in its transaction', async () => {
    await using store = await openTestStore(engine)
    const entry = {
      workspaceId: 'default',
      actor: 'system',
      action: 'alias.create',
      targetType: 'alias',
      targetId: 'a',
      after: { name: 'a' },
      requestId: 'r1',
      ip: '127.0.0.1',
      at: 5,
    }
    const undone = store.db.transaction().execute(async (trx) => {
      await writeAudit(trx, entry)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    await store.db.transaction().execute((trx) => writeAudit(trx, entry))
    const { after, ...columns } = entry
    expect(await store.db.selectFrom('audit').selectAll().execute()).toEqual([
      { ...columns, id: expect.any(Number), beforeJson: null, afterJson: JSON.stringify(after) },
    ])
  })

  test('answers a check while it is open and fails it afterwards', async () => {
    const store = await openTestStore(engine)
    await store.check()
    await store[Symbol.asyncDispose]()
    await expect(store.check()).rejects.toThrow(/not open|destroyed/)
  })
})

test('several processes that open one PostgreSQL database together migrate it once', async (context) => {
  if (!engines.includes('postgres')) context.skip('PostgreSQL is not installed')
  await using location = await createLocation('postgres')
  await using second = await createLocation('sqlite')
  const stores = await Promise.all([
    openStore(location),
    openStore({ ...second, databaseUrl: location.databaseUrl }),
  ])
  await using scope = new AsyncDisposableStack()
  for (const store of stores) scope.use(store)
  expect(stores.map((store) => store.engine)).toEqual(['postgres', 'postgres'])
})

test('goes on after PostgreSQL has closed the connections', async (context) => {
  if (!engines.includes('postgres')) context.skip('PostgreSQL is not installed')
  await using store = await openTestStore('postgres')
  const others = sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`
  await Promise.all([store.check(), store.check(), store.check()])
  await others.execute(store.db)
  // Whether a call meets a closed connection or a new one is a matter of chance; in the end all are new.
  await vi.waitFor(() => store.check())
  await addAlias(store, 'a')
  expect(await aliasIds(store)).toEqual(['a'])
})

test('a PostgreSQL server that is not there is an error of the store, without its password', async () => {
  await using location = await createLocation('sqlite')
  const databaseUrl = 'postgres://portico:hunter2@127.0.0.1:1/portico'
  const failure = await openStore({ ...location, databaseUrl }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'storage_failed' })
  expect(inspect(failure)).not.toContain('hunter2')
})

function alias(id: string) {
  return {
    id,
    workspaceId: 'default',
    name: id,
    targetsJson: '[]',
    enabled: 1,
    createdAt: 1,
    updatedAt: 1,
  }
}

async function addAlias(store: Store, id: string): Promise<void> {
  await store.db.insertInto('aliases').values(alias(id)).execute()
}

async function aliasIds(store: Store): Promise<string[]> {
  const rows = await store.db.selectFrom('aliases').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}

async function addUsage(store: Store, columns: { costNanoUsd?: number }): Promise<void> {
  await store.db
    .insertInto('usage')
    .values({
      at: 1,
      requestId: 'r',
      workspaceId: 'default',
      keyId: 'k',
      route: 'chat/completions',
      status: 200,
      usageSource: 'absent',
      attempts: 1,
      latencyMs: 1,
      ...columns,
    })
    .execute()
}
