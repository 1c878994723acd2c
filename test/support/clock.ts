import type { Clock } from '../../src/lib/clock.ts'

/** A clock that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Moves both clocks on. */
  advance(ms: number): void
  /** Moves the wall clock alone, as an administrator or NTP would. */
  setNow(now: number): void
}

/** Creates a clock at `now` (epoch ms; a Wednesday at noon when left out), with its monotonic side at 0. */
export function createTestClock(now = Date.UTC(2026, 6, 15, 12)): TestClock {
  let wallMs = now
  let elapsedMs = 0
  return {
    now: () => wallMs,
    elapsed: () => elapsedMs,
    advance(ms) {
      wallMs += ms
      elapsedMs += ms
    },
    setNow(moment) {
      wallMs = moment
    },
  }
}
