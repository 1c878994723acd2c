import { expect, test } from 'vitest'
import { createTestClock } from '../../../test/support/clock.ts'
import { createRestartPolicy } from './restart-policy.ts'

const config = { backoffBaseMs: 1_000, backoffMaxMs: 60_000, backoffResetMs: 600_000 }

function createPolicy(maxRestarts = 1_000, random = () => 1) {
  const clock = createTestClock()
  const rule = { auto: true, maxRestarts, windowMs: 60_000 }
  return { clock, policy: createRestartPolicy({ clock, random }, rule, () => config) }
}

test('waits double from a second up to a minute', () => {
  const { policy } = createPolicy()
  const delays = Array.from({ length: 8 }, () => policy.countCrash(0))
  expect(delays.map((verdict) => 'delayMs' in verdict && verdict.delayMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
  ])
})

test('jitter spreads a wait from nothing to the whole', () => {
  const { policy } = createPolicy(1_000, () => 0.25)
  expect(policy.countCrash(0)).toEqual({ verdict: 'retry', delayMs: 250 })
})

test('the first restart after a run that lasted is immediate', () => {
  const { policy } = createPolicy()
  policy.countCrash(0)
  expect(policy.countCrash(10_001)).toEqual({ verdict: 'retry', delayMs: 0 })
  expect(policy.countCrash(0)).toEqual({ verdict: 'retry', delayMs: 2_000 })
})

test('a long run makes earlier crashes forgotten', () => {
  const { policy } = createPolicy()
  for (let count = 0; count < 5; count += 1) policy.countCrash(0)
  policy.countCrash(600_000)
  expect(policy.countCrash(0)).toEqual({ verdict: 'retry', delayMs: 1_000 })
})

test('gives up when the restarts of the window are used up, and not before', () => {
  const { clock, policy } = createPolicy(2)
  const crash = () => policy.countCrash(0).verdict
  expect([crash(), crash(), crash()]).toEqual(['retry', 'retry', 'give-up'])
  policy.forget()
  expect([crash(), crash()]).toEqual(['retry', 'retry'])
  clock.advance(60_000)
  expect(crash()).toBe('retry')
})
