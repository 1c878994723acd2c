import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { createRateWindows } from './rate-windows.ts'

test('as many requests as allowed pass in a minute, and each is told what is left', () => {
  const clock = createTestClock()
  const windows = createRateWindows(clock)
  const reset = String(clock.now() + 60_000)
  const left = (remaining: string) => [
    'x-ratelimit-limit',
    '2',
    'x-ratelimit-remaining',
    remaining,
    'x-ratelimit-reset',
    reset,
  ]
  expect(windows.count('a', 2)).toEqual(left('1'))
  clock.advance(59_999)
  expect(windows.count('a', 2)).toEqual(left('0'))
})

test('one too many is refused, with the headers and how long to wait', () => {
  const clock = createTestClock()
  const windows = createRateWindows(clock)
  windows.count('a', 1)
  clock.advance(20_000)
  const refuse = () => windows.count('a', 1)
  expect(refuse).toThrow(AppError)
  expect(refuse).toThrow(
    expect.objectContaining({
      code: 'rate_limit_exceeded',
      details: expect.objectContaining({
        retryAfterMs: 40_000,
        headers: expect.objectContaining({ 'x-ratelimit-remaining': '0' }),
      }),
    }),
  )
})

test('each key has its own window, and a new one begins when the old has ended', () => {
  const clock = createTestClock()
  const windows = createRateWindows(clock)
  windows.count('a', 1)
  windows.count('b', 1)
  clock.advance(60_000)
  expect(windows.count('a', 1)[3]).toBe('0')
})

test('a limit that is lowered leaves nothing, never less', () => {
  const windows = createRateWindows(createTestClock())
  windows.count('a', 3)
  windows.count('a', 3)
  expect(() => windows.count('a', 1)).toThrow(
    expect.objectContaining({
      details: expect.objectContaining({
        headers: expect.objectContaining({ 'x-ratelimit-remaining': '0' }),
      }),
    }),
  )
})

test('windows that run are kept however many keys there are', () => {
  const clock = createTestClock()
  const windows = createRateWindows(clock)
  for (let key = 0; key < 10_002; key += 1) windows.count(`old ${key}`, 1)
  clock.advance(60_000)
  windows.count('new', 1)
  for (let key = 0; key < 10_002; key += 1) windows.count(`more ${key}`, 1)
  expect(() => windows.count('new', 1)).toThrow('used up')
})
