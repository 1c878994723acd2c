import fc from 'fast-check'
import { expect, test } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

test('retry-after-ms goes before retry-after', () => {
  expect(retryAfterMs(['Retry-After', '2', 'retry-after-ms', '1500'], now)).toBe(1500)
})

test('retry-after is seconds', () => {
  expect(retryAfterMs(['Retry-After', '20'], now)).toBe(20_000)
})

test('retry-after may be a date', () => {
  expect(retryAfterMs(['retry-after', 'Thu, 01 Jan 2026 00:00:30 GMT'], now)).toBe(30_000)
})

test('a date in the past means at once', () => {
  expect(retryAfterMs(['retry-after', 'Wed, 31 Dec 2025 00:00:00 GMT'], now)).toBe(0)
})

test('without it, the reset of the limit of which nothing remains counts', () => {
  const headers = [
    'x-ratelimit-remaining-requests',
    '59',
    'x-ratelimit-reset-requests',
    '1h',
    'x-ratelimit-remaining-tokens',
    '0',
    'x-ratelimit-reset-tokens',
    '6m0.5s',
  ]
  expect(retryAfterMs(headers, now)).toBe(360_500)
})

test('Anthropic’s resets are dates', () => {
  const headers = [
    'anthropic-ratelimit-tokens-remaining',
    '0',
    'anthropic-ratelimit-tokens-reset',
    '2026-01-01T00:01:00Z',
  ]
  expect(retryAfterMs(headers, now)).toBe(60_000)
})

test('what cannot be read says nothing', () => {
  expect(retryAfterMs(['retry-after', 'soon'], now)).toBeUndefined()
  expect(retryAfterMs([], now)).toBeUndefined()
})

test('no header makes it throw or give anything but a duration', () => {
  const name = fc.constantFrom('retry-after', 'Retry-After-Ms', 'x-ratelimit-reset-tokens')
  const pair = fc.tuple(name, fc.string())
  fc.assert(
    fc.property(fc.array(pair), (pairs) => {
      const ms = retryAfterMs(['x-ratelimit-remaining-tokens', '0', ...pairs.flat()], now)
      expect(ms === undefined || ms >= 0).toBe(true)
    }),
  )
})
