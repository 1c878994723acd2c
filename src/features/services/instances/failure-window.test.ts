import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { createFailureWindow } from './failure-window.ts'

const failure = (text: string) => new AppError('upstream_failed', text)

test('whoever asks soon after a failure is told what it was', () => {
  const clock = createTestClock()
  const window = createFailureWindow(clock)
  window.check()
  window.note(failure('first'))
  clock.advance(499)
  expect(() => window.check()).toThrow('first')
  clock.advance(1)
  window.check()
})

test('the window doubles with each failure in a row, up to half a minute', () => {
  const clock = createTestClock()
  const window = createFailureWindow(clock)
  for (const lengthMs of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    window.note(failure('again'))
    clock.advance(lengthMs - 1)
    expect(() => window.check()).toThrow('again')
    clock.advance(1)
    window.check()
  }
})

test('a success closes the window and begins anew', () => {
  const clock = createTestClock()
  const window = createFailureWindow(clock)
  window.note(failure('one'))
  window.note(failure('two'))
  window.clear()
  window.check()
  window.note(failure('three'))
  expect(() => window.check()).toThrow('three')
  clock.advance(500)
  window.check()
})

test('setting the clock of the machine does not move the window', () => {
  const clock = createTestClock()
  const window = createFailureWindow(clock)
  window.note(failure('one'))
  clock.setNow(clock.now() + 3_600_000)
  expect(() => window.check()).toThrow('one')
})
