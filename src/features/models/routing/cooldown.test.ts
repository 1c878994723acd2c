import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { testProvider } from '../../../../test/support/provider.ts'
import { createCooldown } from './cooldown.ts'
import type { Credential, Provider } from '../catalogue/provider.ts'

function setUp({ failures = 3 } = {}) {
  const clock = createTestClock()
  const cooldown = createCooldown({ clock }, () => ({ failures, baseMs: 1000, maxMs: 10_000 }))
  const pick = (provider: Provider): Credential => cooldown.pickCredential(provider) as Credential
  const fail = (provider: Provider, status = 500): void => {
    cooldown.answered(pick(provider), status, [])
  }
  return { cooldown, pick, fail, pass: (ms: number) => clock.advance(ms) }
}

test('credentials take turns', () => {
  const { pick } = setUp()
  const provider = testProvider('p', { keys: ['one', 'two', 'three'] })
  const ids = [1, 2, 3, 4].map(() => pick(provider).id)
  expect(ids).toEqual(['p-0', 'p-1', 'p-2', 'p-0'])
})

test('a provider cools down after three failures in a row, and not after two', () => {
  const { cooldown, fail } = setUp()
  const provider = testProvider('p')
  fail(provider)
  fail(provider)
  expect(cooldown.isReady(provider)).toBe(true)
  fail(provider)
  expect(cooldown.isReady(provider)).toBe(false)
  expect(cooldown.pickCredential(provider)).toBeUndefined()
  expect(cooldown.readyInMs(provider)).toBe(1000)
})

test('a success in between starts the count anew', () => {
  const { cooldown, fail } = setUp()
  const provider = testProvider('p')
  for (const status of [500, 500, 200, 500, 500]) fail(provider, status)
  expect(cooldown.isReady(provider)).toBe(true)
})

test('after the pause one probe goes through, and the others wait for its outcome', () => {
  const { cooldown, fail, pick, pass } = setUp({ failures: 1 })
  const provider = testProvider('p')
  fail(provider)
  pass(1000)
  const probe = pick(provider)
  expect(cooldown.pickCredential(provider)).toBeUndefined()
  cooldown.answered(probe, 200, [])
  expect(cooldown.pickCredential(provider)).toBeDefined()
})

test('each failed probe doubles the pause, up to the longest', () => {
  const { cooldown, fail, pass } = setUp({ failures: 1 })
  const provider = testProvider('p')
  const pauses: number[] = []
  for (let round = 0; round < 6; round += 1) {
    fail(provider)
    pauses.push(cooldown.readyInMs(provider))
    pass(cooldown.readyInMs(provider))
  }
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('attempts that were under way when the circuit opened do not lengthen the pause', () => {
  const { cooldown, pick } = setUp({ failures: 1 })
  const provider = testProvider('p')
  const running = Array.from({ length: 20 }, () => pick(provider))
  for (const credential of running) cooldown.broke(credential)
  expect(cooldown.readyInMs(provider)).toBe(1000)
})

test('a probe that begins well lets the others through, and counts as a failure all the same when it breaks off', () => {
  const { cooldown, fail, pick, pass } = setUp({ failures: 2 })
  const provider = testProvider('p')
  fail(provider)
  fail(provider)
  pass(1000)
  const probe = pick(provider)
  cooldown.began(probe)
  expect(cooldown.isReady(provider)).toBe(true)
  cooldown.broke(probe)
  expect(cooldown.readyInMs(provider)).toBe(2000)
})

test('a provider whose answers begin well and always break off cools down', () => {
  const { cooldown, pick } = setUp({ failures: 3 })
  const provider = testProvider('p')
  for (let call = 0; call < 3; call += 1) {
    const credential = pick(provider)
    cooldown.began(credential)
    cooldown.broke(credential)
  }
  expect(cooldown.isReady(provider)).toBe(false)
})

test('a probe whose client left lets the next one probe at once', () => {
  const { cooldown, fail, pick, pass } = setUp({ failures: 1 })
  const provider = testProvider('p')
  fail(provider)
  pass(1000)
  cooldown.abandoned(pick(provider))
  expect(cooldown.isReady(provider)).toBe(true)
})

test('a probe that is never reported blocks nobody for good', () => {
  const { cooldown, fail, pick, pass } = setUp({ failures: 1 })
  const provider = testProvider('p')
  fail(provider)
  pass(1000)
  pick(provider)
  pass(30_000)
  expect(cooldown.isReady(provider)).toBe(true)
})

test('a refused key cools down by itself; the others of the provider go on', () => {
  const { cooldown, pick } = setUp({ failures: 1 })
  const provider = testProvider('p', { keys: ['bad', 'good'] })
  cooldown.answered(pick(provider), 401, [])
  expect(cooldown.isReady(provider)).toBe(true)
  expect([pick(provider).id, pick(provider).id]).toEqual(['p-1', 'p-1'])
})

test('when all keys are refused, the provider is not ready', () => {
  const { cooldown, fail } = setUp({ failures: 1 })
  const provider = testProvider('p', { keys: ['bad', 'worse'] })
  fail(provider, 403)
  fail(provider, 402)
  expect(cooldown.isReady(provider)).toBe(false)
})

test('retry-after of a 429 is honoured at once, for that key, within the longest pause', () => {
  const { cooldown, pick, pass } = setUp()
  const provider = testProvider('p')
  cooldown.answered(pick(provider), 429, ['Retry-After', '4'])
  expect(cooldown.readyInMs(provider)).toBe(4000)
  pass(4000)
  cooldown.answered(pick(provider), 429, ['retry-after', '3600'])
  expect(cooldown.readyInMs(provider)).toBe(10_000)
})

test('a 503 with retry-after cools the provider with all its keys', () => {
  const { cooldown, pick } = setUp()
  const provider = testProvider('p', { keys: ['one', 'two'] })
  cooldown.answered(pick(provider), 503, ['retry-after-ms', '700'])
  expect(cooldown.readyInMs(provider)).toBe(700)
})

test('a request that was wrong says nothing against the provider', () => {
  const { cooldown, fail } = setUp({ failures: 1 })
  const provider = testProvider('p')
  for (const status of [400, 404, 413, 422]) fail(provider, status)
  expect(cooldown.isReady(provider)).toBe(true)
})
