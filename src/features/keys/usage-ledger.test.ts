import { describe, expect, test } from 'vitest'
import { adminRequester, openTestKeys, type TestKeys } from '../../../test/support/keys.ts'
import { engines, openTestStore } from '../../../test/support/store.ts'
import { KeyChange } from '../../protocol/api/keys.ts'
import type { Admission } from './admission.ts'
import type { LiveKey } from './live-key.ts'
import type { UsageRecord } from './usage-record.ts'

const usd = 1e9
const dayMs = 86_400_000

function recordOf(key: LiveKey, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    requestId: 'req_1',
    workspaceId: key.workspaceId,
    keyId: key.keyId,
    route: 'chat/completions',
    modelAsked: 'fast',
    providerId: 'prov_1',
    modelUsed: 'gpt-4o',
    status: 200,
    inputTokens: 10,
    outputTokens: 5,
    cachedTokens: 2,
    costNanoUsd: 1000,
    usageSource: 'reported',
    abortedBy: null,
    attempts: 1,
    firstByteMs: 12.5,
    latencyMs: 80.25,
    ...changes,
  }
}

/** One call as the data plane makes it: admitted, settled, recorded. */
function call(keys: TestKeys, key: LiveKey, costNanoUsd: number): void {
  const admission = keys.admit(key, { tokens: 1, costNanoUsd }) as Admission
  admission.settle({ tokens: 1, costNanoUsd })
  keys.recordUsage(recordOf(key, { costNanoUsd }))
}

function spent(keys: TestKeys, key: LiveKey, period = 'total/'): number {
  return keys.counters.read(`${key.keyId}/spend/${period}`).used
}

describe.each(engines)('the ledger on %s', (engine) => {
  test('rows and daily sums reach the store together', async () => {
    await using store = await openTestStore(engine)
    await using keys = await openTestKeys(store)
    const { key } = await keys.issue({ name: 'used' })
    keys.recordUsage(recordOf(key))
    keys.recordUsage(recordOf(key, { status: 502, outputTokens: null, costNanoUsd: null }))
    keys.recordUsage(recordOf(key, { modelUsed: 'other' }))
    keys.clock.advance(dayMs)
    keys.recordUsage(recordOf(key))
    const sums = await keys.usage.sum({ workspaceId: 'default' }, 'day')
    expect(sums).toEqual([
      {
        group: '2026-07-15',
        requests: 3,
        errors: 1,
        inputTokens: 30,
        outputTokens: 10,
        cachedTokens: 6,
        costNanoUsd: 2000,
      },
      expect.objectContaining({ group: '2026-07-16', requests: 1 }),
    ])
    const { rows } = await keys.usage.rows({ workspaceId: 'default' }, { limit: 10 })
    expect(rows).toHaveLength(4)
    expect(rows[2]).toMatchObject({
      status: 502,
      costNanoUsd: null,
      firstByteMs: 13,
      latencyMs: 80,
    })
  })

  test('daily sums add up across writes', async () => {
    await using store = await openTestStore(engine)
    await using keys = await openTestKeys(store)
    const { key } = await keys.issue({ name: 'steady' })
    for (let round = 0; round < 3; round++) {
      keys.recordUsage(recordOf(key))
      await keys.usage.sum({ workspaceId: 'default' }, 'day')
    }
    const [sum] = await keys.usage.sum({ workspaceId: 'default' }, 'key')
    expect(sum).toMatchObject({ group: key.keyId, requests: 3, costNanoUsd: 3000 })
  })

  test('rows that are dropped from a full queue are counted, and the daily sums miss nothing', async () => {
    await using store = await openTestStore(engine)
    const usage = { flushMs: 60_000, queueRowsMax: 10, retentionDays: 90 }
    await using keys = await openTestKeys(store, { config: { usage } })
    const { key } = await keys.issue({ name: 'busy' })
    for (let at = 0; at < 100; at++) keys.recordUsage(recordOf(key))
    expect(keys.usageRowsQueued).toBe(10)
    expect(keys.usageRowsDropped).toBe(90)
    const [sum] = await keys.usage.sum({ workspaceId: 'default' }, 'key')
    expect(sum).toMatchObject({ requests: 100, costNanoUsd: 100_000 })
  })

  test('figures and names that no database takes do not cost the rows beside them', async () => {
    await using store = await openTestStore(engine)
    await using keys = await openTestKeys(store)
    const { key } = await keys.issue({ name: 'odd' })
    keys.recordUsage(
      recordOf(key, { modelUsed: 'a\0b\ud800', inputTokens: -3, latencyMs: Infinity }),
    )
    keys.recordUsage(recordOf(key, { outputTokens: Number.NaN, modelAsked: 'x'.repeat(9999) }))
    const { rows } = await keys.usage.rows({ workspaceId: 'default' }, { limit: 10 })
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatchObject({ modelUsed: 'ab\ufffd', inputTokens: 0 })
    expect(rows[0]?.outputTokens).toBeNull()
    expect(keys.usageRowsDropped).toBe(0)
  })

  test('old rows go after the retention, daily sums stay', async () => {
    await using store = await openTestStore(engine)
    await using keys = await openTestKeys(store)
    const { key } = await keys.issue({ name: 'old' })
    keys.recordUsage(recordOf(key))
    keys.clock.advance(90 * dayMs)
    keys.recordUsage(recordOf(key))
    await keys.usage.sum({ workspaceId: 'default' }, 'day')
    keys.clock.advance(1)
    await keys.sweepUsage()
    const { rows } = await keys.usage.rows({ workspaceId: 'default' }, { limit: 10 })
    expect(rows).toHaveLength(1)
    expect(await keys.usage.sum({ workspaceId: 'default' }, 'day')).toHaveLength(2)
  })

  test('a restart rebuilds what budgets have spent, those of the keys above too', async () => {
    await using store = await openTestStore(engine)
    const body = { name: 'parent', budget: { day: 5, week: 5, month: 5, total: 5 } }
    const before = await openTestKeys(store)
    const { clock } = before
    const parent = (await before.issue(body)).key
    const child = (await before.issue({ name: 'child', parentId: parent.keyId })).key
    clock.setNow(Date.UTC(2026, 6, 31)) // a Friday
    call(before, child, 1 * usd)
    clock.setNow(Date.UTC(2026, 7, 1))
    call(before, parent, 2 * usd)
    await before[Symbol.asyncDispose]()

    await using after = await openTestKeys(store, { clock })
    const key = after.findById(parent.keyId) as LiveKey
    expect(spent(after, key, 'day/2026-08-01')).toBe(2 * usd)
    expect(spent(after, key, 'week/2026-07-27')).toBe(3 * usd)
    expect(spent(after, key, 'month/2026-08-01')).toBe(2 * usd)
    expect(spent(after, key)).toBe(3 * usd)
    expect(() => call(after, key, 2.5 * usd)).toThrow(
      expect.objectContaining({ code: 'insufficient_quota' }),
    )
  })

  test('a budget that is given later counts what was spent before, written or not', async () => {
    await using store = await openTestStore(engine)
    const usage = { flushMs: 60_000, queueRowsMax: 100, retentionDays: 90 }
    await using keys = await openTestKeys(store, { config: { usage } })
    const { key } = await keys.issue({ name: 'later' })
    call(keys, key, 1 * usd)
    await keys.usage.sum({ workspaceId: 'default' }, 'key')
    call(keys, key, 2 * usd)
    const change = KeyChange.parse({ budget: { month: 4 } })
    await keys.administration.update(adminRequester, key.keyId, change)
    expect(spent(keys, key, 'month/2026-07-01')).toBe(3 * usd)
    expect(() => call(keys, key, 2 * usd)).toThrow(
      expect.objectContaining({ code: 'insufficient_quota' }),
    )
  })

  test('deleting a key does not give what it spent back to the key above', async () => {
    await using store = await openTestStore(engine)
    const usage = { flushMs: 60_000, queueRowsMax: 100, retentionDays: 90 }
    const before = await openTestKeys(store, { config: { usage } })
    const parent = (await before.issue({ name: 'parent', budget: { total: 9 } })).key
    const child = (await before.issue({ name: 'child', parentId: parent.keyId })).key
    const grandchild = (await before.issue({ name: 'grandchild', parentId: child.keyId })).key
    call(before, child, 1 * usd)
    await before.usage.sum({ workspaceId: 'default' }, 'key')
    call(before, grandchild, 2 * usd)
    const late = before.admit(grandchild, { tokens: 1, costNanoUsd: 0 }) as Admission
    await before.administration.remove(adminRequester, child.keyId)
    late.settle({ tokens: 1, costNanoUsd: 4 * usd })
    before.recordUsage(recordOf(grandchild, { costNanoUsd: 4 * usd }))
    expect(spent(before, parent)).toBe(7 * usd)
    await before[Symbol.asyncDispose]()

    await using after = await openTestKeys(store, { clock: before.clock })
    expect(spent(after, after.findById(parent.keyId) as LiveKey)).toBe(7 * usd)
  })

  test('a page of rows continues where the one before ended', async () => {
    await using store = await openTestStore(engine)
    await using keys = await openTestKeys(store)
    const { key } = await keys.issue({ name: 'paged' })
    for (let at = 0; at < 5; at++) keys.recordUsage(recordOf(key, { requestId: `req_${at}` }))
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await keys.usage.rows({ workspaceId: 'default' }, { limit: 2, cursor })
      seen.push(...page.rows.map(({ requestId }) => requestId))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    expect(seen).toEqual(['req_4', 'req_3', 'req_2', 'req_1', 'req_0'])
  })
})
