import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTestClock } from '../../test/support/clock.ts'
import type { Claim, Reservation } from './counters.ts'
import { createMemoryCounters } from './memory-counters.ts'

const windowMs = 60_000

function requests(max: number, amount = 1): Claim {
  return { kind: 'window', name: 'requests', amount, max, windowMs }
}

function slots(max: number): Claim {
  return { kind: 'gauge', name: 'slots', amount: 1, max }
}

function money(max: number, amount: number): Claim {
  return { kind: 'total', name: 'money', amount, max, expiresAt: null }
}

test('a window starts with its first use and says exactly when it ends', () => {
  const clock = createTestClock()
  const counters = createMemoryCounters(clock)
  clock.advance(12_345)
  expect(counters.reserve([requests(2)]).refusal).toBeUndefined()
  clock.advance(20_000)
  expect(counters.reserve([requests(2)]).refusal).toBeUndefined()
  expect(counters.reserve([requests(2)]).refusal).toEqual({ claim: 0, retryAfterMs: 40_000 })
  clock.advance(39_999)
  expect(counters.reserve([requests(2)]).refusal).toEqual({ claim: 0, retryAfterMs: 1 })
  clock.advance(1)
  expect(counters.reserve([requests(2)])).toEqual({
    refusal: undefined,
    standings: [{ taken: 1, window: 72_345, resetMs: windowMs }],
  })
})

test('a refused list takes nothing from any counter', () => {
  const counters = createMemoryCounters(createTestClock())
  counters.reserve([slots(1)])
  const { refusal } = counters.reserve([money(100, 60), requests(5), slots(1)])
  expect(refusal).toEqual({ claim: 2, retryAfterMs: null })
  expect(counters.read('money')).toEqual({ used: 0, held: 0 })
  expect(counters.read('requests').used).toBe(0)
})

test('a refused list starts no window', () => {
  const clock = createTestClock()
  const counters = createMemoryCounters(clock)
  counters.reserve([slots(0), requests(1)])
  clock.advance(30_000)
  expect(counters.reserve([requests(1)]).standings[0]?.resetMs).toBe(windowMs)
})

test('of several refusals the one that lasts longest is named', () => {
  const counters = createMemoryCounters(createTestClock())
  const list = [slots(0), requests(0), money(0, 0)]
  expect(counters.reserve(list).refusal).toEqual({ claim: 2, retryAfterMs: null })
  expect(counters.reserve(list.slice(0, 2)).refusal).toEqual({ claim: 1, retryAfterMs: windowMs })
})

test('a total that is used up refuses even what costs nothing', () => {
  const counters = createMemoryCounters(createTestClock())
  counters.restore([{ name: 'money', used: 100, expiresAt: null }])
  expect(counters.reserve([money(100, 0)]).refusal).toBeDefined()
  expect(counters.reserve([money(101, 0)]).refusal).toBeUndefined()
})

test('restoring a total keeps what calls under way hold of it', () => {
  const counters = createMemoryCounters(createTestClock())
  counters.reserve([money(100, 30)])
  counters.restore([{ name: 'money', used: 50, expiresAt: null }])
  expect(counters.read('money')).toEqual({ used: 50, held: 30 })
})

test('a correction of a window that is over gives nothing back, and what came on top counts now', () => {
  const clock = createTestClock()
  const counters = createMemoryCounters(clock)
  const window = counters.reserve([requests(10, 8)]).standings[0]?.window ?? -1
  clock.advance(windowMs)
  counters.reserve([requests(10, 5)])
  counters.apply([{ kind: 'window', name: 'requests', delta: -8, windowMs, window }])
  expect(counters.read('requests').used).toBe(5)
  counters.apply([{ kind: 'window', name: 'requests', delta: 2, windowMs, window }])
  expect(counters.read('requests').used).toBe(7)
})

test('counters that are over are swept, those in use stay', () => {
  const clock = createTestClock()
  const counters = createMemoryCounters(clock)
  counters.reserve([slots(5)])
  for (let at = 0; at < 10_000; at++) {
    clock.advance(windowMs)
    counters.reserve([{ kind: 'window', name: `key ${at}`, amount: 1, max: 1, windowMs }])
    const expiresAt = clock.now() + 1
    counters.reserve([{ kind: 'total', name: `day ${at}`, amount: 1, max: 1, expiresAt }])
  }
  expect(counters.size).toBeLessThanOrEqual(1024)
  expect(counters.read('slots').used).toBe(1)
})

test('whatever the order of claims and corrections, no maximum is passed and everything held comes back', () => {
  const step = fc.record({
    amount: fc.nat(60),
    actual: fc.nat(60),
    settles: fc.nat(9),
    waitMs: fc.nat(40_000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = createTestClock()
      const counters = createMemoryCounters(clock)
      const open: { amount: number; actual: number }[] = []
      let spent = 0
      let overrun = 0
      const settle = ({ amount, actual }: { amount: number; actual: number }) => {
        spent += actual
        overrun += Math.max(0, actual - amount)
        counters.apply([
          { kind: 'total', name: 'money', heldDelta: -amount, usedDelta: actual, expiresAt: null },
          { kind: 'gauge', name: 'slots', delta: -1 },
        ])
      }
      for (const { amount, actual, settles, waitMs } of steps) {
        clock.advance(waitMs)
        const outcome: Reservation = counters.reserve([money(200, amount), slots(4), requests(20)])
        if (!outcome.refusal) open.push({ amount, actual })
        for (const call of open.splice(0, settles % (open.length + 1))) settle(call)
        const { used, held } = counters.read('money')
        expect(used).toBe(spent)
        expect(held).toBe(open.reduce((sum, call) => sum + call.amount, 0))
        expect(used + held - overrun).toBeLessThanOrEqual(200)
        expect(counters.read('slots').used).toBe(open.length)
        expect(open.length).toBeLessThanOrEqual(4)
      }
      for (const call of open.splice(0)) settle(call)
      expect(counters.read('money')).toEqual({ used: spent, held: 0 })
      expect(counters.read('slots').used).toBe(0)
    }),
  )
})
