import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { openTestStore } from '../../../../test/support/store.ts'
import { createObjectRoutes } from './object-routes.ts'

const log = pino({ level: 'silent' })
const dayMs = 24 * 60 * 60 * 1000

test('the holder of an object is known at once, and after a restart', async () => {
  await using store = await openTestStore()
  const deps = { store, clock: createTestClock(), log }
  {
    await using objects = createObjectRoutes(deps)
    objects.remember('default', 'file-1', 'prov_a')
    objects.remember('default', 'batch_1', 'prov_a')
    objects.remember('default', 'file-1', 'prov_b')
    expect(await objects.holderOf('default', 'file-1')).toBe('prov_b')
  }
  await using objects = createObjectRoutes(deps)
  expect(await objects.holderOf('default', 'file-1')).toBe('prov_b')
  expect(await objects.of('default', 'batches/batch_1/cancel')).toBe('prov_a')
})

test('S05 an object of another workspace has no holder', async () => {
  await using store = await openTestStore()
  await using objects = createObjectRoutes({ store, clock: createTestClock(), log })
  objects.remember('default', 'file-1', 'prov_a')
  expect(await objects.holderOf('other', 'file-1')).toBeUndefined()
})

test('a path without an object has no holder', async () => {
  await using store = await openTestStore()
  await using objects = createObjectRoutes({ store, clock: createTestClock(), log })
  expect(await objects.of('default', 'files')).toBeUndefined()
  expect(await objects.of('default', 'files/')).toBeUndefined()
})

test('stored responses are forgotten after 30 days, files are not', async () => {
  await using store = await openTestStore()
  const clock = createTestClock()
  {
    await using objects = createObjectRoutes({ store, clock, log })
    objects.remember('default', 'resp_old', 'prov_a')
    objects.remember('default', 'file-old', 'prov_a')
    clock.advance(31 * dayMs)
    objects.remember('default', 'resp_new', 'prov_a')
  }
  await using objects = createObjectRoutes({ store, clock, log })
  await objects.sweep()
  const rows = await store.db.selectFrom('upstreamObjects').select('objectId').execute()
  expect(rows.map(({ objectId }) => objectId).toSorted()).toEqual(['file-old', 'resp_new'])
})
