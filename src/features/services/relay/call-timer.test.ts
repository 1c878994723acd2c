import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startCallTimer, type CallLimits, type CallTimer } from './call-timer.ts'

// The limits are minutes, and the timer reads the clock of the platform.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const limits: CallLimits = { silenceMs: 1000, totalMs: 5000, answerMs: 10_000 }

/** A timer, and after how long it expired. */
function start(own: Partial<CallLimits> = {}) {
  const startedAt = performance.now()
  const expired: number[] = []
  const timer = startCallTimer({ ...limits, ...own }, () =>
    expired.push(Math.round(performance.now() - startedAt)),
  )
  return { timer, expired }
}

function touchEvery(timer: CallTimer, stepMs: number, untilMs: number): void {
  for (let ms = stepMs; ms <= untilMs; ms += stepMs) {
    vi.advanceTimersByTime(stepMs)
    timer.touch()
  }
}

test('a server that says nothing is given up after the silence', () => {
  const { expired } = start()
  vi.advanceTimersByTime(20_000)
  expect(expired).toEqual([1000])
})

test('progress prolongs a call', () => {
  const { timer, expired } = start()
  touchEvery(timer, 900, 3600)
  vi.advanceTimersByTime(999)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(1)
  expect(expired).toEqual([4600])
})

test('however much progress there is, a call ends with its total time', () => {
  const { timer, expired } = start()
  touchEvery(timer, 900, 4500)
  vi.advanceTimersByTime(10_000)
  expect(expired).toEqual([5000])
})

test('a total time below the silence is kept', () => {
  const { expired } = start({ totalMs: 300 })
  vi.advanceTimersByTime(1000)
  expect(expired).toEqual([300])
})

test('while the client is asked, neither silence nor the total time end the call', () => {
  const { timer, expired } = start()
  timer.pause()
  touchEvery(timer, 900, 9000)
  expect(expired).toEqual([])
  timer.resume()
  timer.touch()
  vi.advanceTimersByTime(999)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(1)
  expect(expired).toEqual([10_000])
})

test('a client that does not answer ends the call', () => {
  const { expired, timer } = start()
  timer.pause()
  vi.advanceTimersByTime(20_000)
  expect(expired).toEqual([10_000])
})

test('with several questions, the silence counts again once all are answered', () => {
  const { timer, expired } = start()
  timer.pause()
  timer.pause()
  timer.resume()
  vi.advanceTimersByTime(9000)
  expect(expired).toEqual([])
  timer.resume()
  vi.advanceTimersByTime(1000)
  expect(expired).toEqual([10_000])
})

test('a timer that was stopped never expires, and a late answer does not start it again', () => {
  const { timer, expired } = start()
  timer.pause()
  timer.stop()
  timer.resume()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(20_000)
  expect(expired).toEqual([])
})
