import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { adminRequester, openTestKeys, type TestKeys } from '../../../test/support/keys.ts'
import { openTestStore } from '../../../test/support/store.ts'
import type { Counters } from '../../cluster/counters.ts'
import { createMemoryCounters } from '../../cluster/memory-counters.ts'
import { AppError } from '../../lib/errors.ts'
import { KeyChange } from '../../protocol/api/keys.ts'
import { createAdmit, type Admission } from './admission.ts'
import type { LiveKey } from './live-key.ts'

const usd = 1e9
const small = { tokens: 10, costNanoUsd: 1000 }

const scope = new AsyncDisposableStack()
let keys: TestKeys

beforeAll(async () => {
  keys = scope.use(await openTestKeys(scope.use(await openTestStore())))
})
afterAll(() => scope.disposeAsync())

async function keyWith(body: object): Promise<LiveKey> {
  return (await keys.issue({ name: 'limited', ...body })).key
}

function attempt(work: () => Admission): Admission | AppError {
  try {
    return work()
  } catch (error) {
    return error as AppError
  }
}

function admitted(key: LiveKey, estimate = small): Admission {
  return keys.admit(key, estimate) as Admission
}

function refused(key: LiveKey, estimate = small): AppError {
  const outcome = attempt(() => admitted(key, estimate))
  expect(outcome).toBeInstanceOf(AppError)
  return outcome as AppError
}

function spent(key: LiveKey): { used: number; held: number } {
  return keys.counters.read(`${key.keyId}/spend/total/`)
}

test('a key without limits takes nothing from any counter', async () => {
  const key = await keyWith({})
  const before = keys.counters.size
  const one = admitted(key)
  expect(admitted(key)).toBe(one)
  one.settle({ tokens: 5, costNanoUsd: 5 })
  expect(one.headers).toEqual([])
  expect(keys.counters.size).toBe(before)
})

test('requests per minute are counted, told in headers and come back with the minute', async () => {
  const key = await keyWith({ requestsPerMinute: 2 })
  expect(admitted(key).headers).toEqual([
    'x-ratelimit-limit-requests',
    '2',
    'x-ratelimit-remaining-requests',
    '1',
    'x-ratelimit-reset-requests',
    '60s',
  ])
  admitted(key).release()
  keys.clock.advance(15_000)
  expect(refused(key)).toMatchObject({
    code: 'rate_limit_exceeded',
    details: {
      retryAfterMs: 45_000,
      param: 'requests',
      headers: { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '45s' },
    },
  })
  keys.clock.advance(45_000)
  admitted(key)
})

test('tokens per minute are reserved by estimate and settled by what was used', async () => {
  const key = await keyWith({ tokensPerMinute: 100 })
  const call = admitted(key, { tokens: 95, costNanoUsd: 0 })
  expect(refused(key).details).toMatchObject({ retryAfterMs: 60_000, param: 'tokens' })
  call.settle({ tokens: 20, costNanoUsd: 0 })
  const next = admitted(key, { tokens: 80, costNanoUsd: 0 })
  next.release()
  expect(keys.counters.read(`${key.keyId}/tokens`).used).toBe(20)
})

test('an estimate above the whole token limit takes a minute of its own', async () => {
  const key = await keyWith({ tokensPerMinute: 100 })
  const call = admitted(key, { tokens: 5000, costNanoUsd: 0 })
  refused(key)
  call.settle({ tokens: 130, costNanoUsd: 0 })
  expect(keys.counters.read(`${key.keyId}/tokens`).used).toBe(130)
  refused(key)
})

test('a slot is free again the moment a call is settled or released, and only once', async () => {
  const key = await keyWith({ concurrentRequests: 2 })
  const [one, two] = [admitted(key), admitted(key)]
  expect(refused(key)).toMatchObject({
    code: 'rate_limit_exceeded',
    details: { retryAfterMs: 1000, param: 'concurrentRequests' },
  })
  one.release()
  one.release()
  one.settle(small)
  admitted(key)
  refused(key)
  two.settle(small)
  admitted(key)
  refused(key)
})

test('a budget that is spent refuses without inviting another try', async () => {
  const key = await keyWith({ budget: { total: 1 }, requestsPerMinute: 100 })
  admitted(key, { tokens: 1, costNanoUsd: usd }).settle({ tokens: 1, costNanoUsd: usd })
  const refusal = refused(key, { tokens: 0, costNanoUsd: 0 })
  expect(refusal.code).toBe('insufficient_quota')
  expect(refusal.details.retryAfterMs).toBeUndefined()
  expect(refusal.details.headers).toMatchObject({ 'x-should-retry': 'false' })
})

test('two racing calls cannot both spend the last cent', async () => {
  const key = await keyWith({ budget: { day: 0.01 } })
  const cent = { tokens: 1, costNanoUsd: 0.01 * usd }
  const calls = await Promise.allSettled(
    Array.from({ length: 50 }, async () => {
      const call = await keys.admit(key, cent)
      await Promise.resolve()
      call.settle(cent)
    }),
  )
  expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a call that never took place gives its money back', async () => {
  const key = await keyWith({ budget: { total: 1 } })
  const call = admitted(key, { tokens: 1, costNanoUsd: usd })
  refused(key)
  call.release()
  call.settle({ tokens: 1, costNanoUsd: usd })
  expect(spent(key)).toEqual({ used: 0, held: 0 })
  admitted(key, { tokens: 1, costNanoUsd: usd })
})

test('the limits of every key above bound a key, all of them or none', async () => {
  const parent = await keyWith({ budget: { total: 1 }, requestsPerMinute: 3 })
  const one = await keyWith({ parentId: parent.keyId })
  const other = await keyWith({ parentId: parent.keyId, requestsPerMinute: 1 })
  admitted(other).settle({ tokens: 1, costNanoUsd: 0.4 * usd })
  expect(refused(other).message).toContain('of the key are')
  admitted(one).settle({ tokens: 1, costNanoUsd: 0.6 * usd })
  expect(refused(one).message).toContain('a key above this one')
  expect(refused(parent).code).toBe('insufficient_quota')
  // Neither refusal of `one` and `other` counted as a request of the parent.
  expect(keys.counters.read(`${parent.keyId}/requests`).used).toBe(2)
})

test('budgets begin anew with the UTC day, the week from Monday and the month', async () => {
  keys.clock.setNow(Date.UTC(2026, 7, 29, 23, 59)) // a Saturday
  const day = await keyWith({ budget: { day: 1 } })
  const week = await keyWith({ budget: { week: 1 } })
  const month = await keyWith({ budget: { month: 1 } })
  const total = await keyWith({ budget: { total: 1 } })
  const all = [day, week, month, total]
  for (const key of all) admitted(key).settle({ tokens: 1, costNanoUsd: usd })
  const open = () => all.filter((key) => !(attempt(() => admitted(key)) instanceof AppError))
  expect(open()).toEqual([])
  keys.clock.setNow(Date.UTC(2026, 7, 30))
  expect(open()).toEqual([day])
  keys.clock.setNow(Date.UTC(2026, 7, 31))
  expect(open()).toEqual([day, week])
  keys.clock.setNow(Date.UTC(2026, 8, 1))
  expect(open()).toEqual([day, week, month])
})

test('a call that ends in another period than it began in is booked where it ends', async () => {
  keys.clock.setNow(Date.UTC(2026, 9, 10, 23, 59))
  const key = await keyWith({ budget: { day: 1 } })
  const call = admitted(key, { tokens: 1, costNanoUsd: usd })
  keys.clock.setNow(Date.UTC(2026, 9, 11))
  call.settle({ tokens: 1, costNanoUsd: 0.7 * usd })
  expect(keys.counters.read(`${key.keyId}/spend/day/2026-10-10`)).toEqual({ used: 0, held: 0 })
  expect(keys.counters.read(`${key.keyId}/spend/day/2026-10-11`).used).toBe(0.7 * usd)
})

test('a limit that is changed holds from the next call on, also for calls under way', async () => {
  const key = await keyWith({})
  const early = admitted(key)
  const change = (body: object) =>
    keys.administration.update(adminRequester, key.keyId, KeyChange.parse(body))
  await change({ budget: { total: 1 }, concurrentRequests: 1 })
  early.settle({ tokens: 1, costNanoUsd: 0.5 * usd })
  expect(spent(key).used).toBe(0.5 * usd)
  const late = admitted(key, { tokens: 1, costNanoUsd: 0.5 * usd })
  await change({ budget: { total: null }, concurrentRequests: null })
  admitted(key, { tokens: 1, costNanoUsd: 5 * usd })
  late.settle({ tokens: 1, costNanoUsd: 0.1 * usd })
  expect(spent(key).held).toBe(0)
})

test('whatever the order of calls, a chain never spends more than its budgets but for what settling adds', async () => {
  const parent = await keyWith({ budget: { total: 0.000_001 }, concurrentRequests: 5 })
  const childBody = { parentId: parent.keyId, budget: { total: 0.000_000_6 } }
  const chain = [parent, await keyWith(childBody), await keyWith(childBody)]
  const step = fc.record({
    who: fc.nat(2),
    estimate: fc.nat(400),
    actual: fc.nat(500),
    ends: fc.nat(9),
    releases: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      keys.counters.forget(chain.map(({ keyId }) => `${keyId}/spend/total/`))
      const open: { call: Admission; estimate: number; actual: number; releases: boolean }[] = []
      let added = 0
      const end = ({ call, estimate, actual, releases }: (typeof open)[number]) => {
        if (releases) return call.release()
        added += Math.max(0, actual - estimate)
        return call.settle({ tokens: 0, costNanoUsd: actual })
      }
      for (const { who, estimate, actual, ends, releases } of steps) {
        const key = chain[who] as LiveKey
        const call = attempt(() => admitted(key, { tokens: 0, costNanoUsd: estimate }))
        if (!(call instanceof AppError)) open.push({ call, estimate, actual, releases })
        for (const ended of open.splice(0, ends % (open.length + 1))) end(ended)
        const maxima = [1000, 600, 600]
        for (const [at, each] of chain.entries()) {
          const { used, held } = spent(each)
          expect(used + held - added).toBeLessThanOrEqual(maxima[at] ?? 0)
        }
      }
      for (const ended of open.splice(0)) end(ended)
      expect(chain.map((key) => spent(key).held)).toEqual([0, 0, 0])
      expect(keys.counters.read(`${parent.keyId}/active`).used).toBe(0)
    }),
  )
})

test('counters that answer later admit and refuse just the same', async () => {
  const key = await keyWith({ requestsPerMinute: 1, budget: { total: 1 } })
  const here = createMemoryCounters(keys.clock)
  const elsewhere: Counters = {
    reserve: async (claims) => here.reserve(claims),
    apply: async (changes) => here.apply(changes),
    restore: async (totals) => here.restore(totals),
    forget: async (names) => here.forget(names),
  }
  const log = pino({ level: 'silent' })
  const admit = createAdmit({ counters: elsewhere, clock: keys.clock, log })
  const call = await admit(key, small)
  await expect(admit(key, small)).rejects.toMatchObject({ code: 'rate_limit_exceeded' })
  call.settle(small)
  expect(here.read(`${key.keyId}/spend/total/`)).toEqual({ used: 1000, held: 0 })
})
