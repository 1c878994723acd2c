import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { testAlias, testProvider } from '../../../../test/support/provider.ts'
import { createTargetChoice } from './choose-target.ts'
import { createCooldown } from './cooldown.ts'
import type { AliasTarget, Provider } from '../catalogue/provider.ts'
import { createResolver } from '../catalogue/resolve.ts'
import type { Resolution, Target } from '../catalogue/resolve.ts'

const a = testProvider('a')
const b = testProvider('b')
const c = testProvider('c')

function setUp(...given: (Partial<AliasTarget> & { provider: Provider })[]) {
  let mark = 0
  const clock = createTestClock()
  const cooldown = createCooldown({ clock }, () => ({ failures: 1, baseMs: 1000, maxMs: 9000 }))
  const providers = given.map(({ provider }) => testProvider(provider.id))
  const targets = given.map(({ provider, ...target }) => ({
    providerId: provider.id,
    model: 'm',
    ...target,
  }))
  const sources = { providers, aliases: [testAlias('x', targets)], anyProviderFallback: false }
  const resolution = createResolver(sources).resolve('x') as Resolution
  const choice = createTargetChoice({ cooldown, random: () => mark })
  return {
    choice,
    resolution,
    next: (tried: Target[] = [], random = 0) => {
      mark = random
      return choice.next(resolution, new Set(tried))?.provider.id
    },
    target: (id: string) => resolution.targets.find(({ provider }) => provider.id === id) as Target,
    cool: (id: string) => {
      const provider = providers.find((one) => one.id === id) as Provider
      const credential = cooldown.pickCredential(provider)
      if (credential !== undefined) cooldown.broke(credential)
    },
    pass: (ms: number) => clock.advance(ms),
  }
}

test('one target is chosen until it has been tried', () => {
  const { next, target } = setUp({ provider: a })
  expect(next()).toBe('a')
  expect(next([target('a')])).toBeUndefined()
})

test('the lowest priority number goes first, and the next one only when all of it are tried', () => {
  const { next, target } = setUp({ provider: a, priority: 2 }, { provider: b, priority: 1 })
  expect(next([], 0.99)).toBe('b')
  expect(next([target('b')])).toBe('a')
})

test('a priority whose targets are all cooling is passed over', () => {
  const { next, cool, pass } = setUp({ provider: a, priority: 1 }, { provider: b, priority: 2 })
  cool('a')
  expect(next()).toBe('b')
  pass(1000)
  expect(next()).toBe('a')
})

test('weights divide a priority among its targets', () => {
  const { next } = setUp({ provider: a, weight: 1 }, { provider: b, weight: 3 })
  const counts = { a: 0, b: 0 }
  for (let step = 0; step < 100; step += 1) counts[next([], step / 100) as 'a' | 'b'] += 1
  expect(counts).toEqual({ a: 25, b: 75 })
})

test('a weight of 0 is a stand-in within its priority', () => {
  const { next, target } = setUp({ provider: a, weight: 0 }, { provider: b, weight: 1 })
  expect(next([], 0)).toBe('b')
  expect(next([], 0.999)).toBe('b')
  expect(next([target('b')])).toBe('a')
})

test('when everything is cooling, the earliest end is known', () => {
  const { choice, resolution, next, cool, pass } = setUp(
    { provider: a },
    { provider: b },
    { provider: c },
  )
  expect(choice.readyInMs(resolution)).toBe(0)
  cool('a')
  pass(400)
  cool('b')
  cool('c')
  expect(next()).toBeUndefined()
  expect(choice.readyInMs(resolution)).toBe(600)
})
