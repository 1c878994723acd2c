/** The time of day and the passing of time, injected so that tests can move both. */
export interface Clock {
  /** Wall clock, epoch ms. For expiry, budgets and rows. */
  now(): number
  /** Monotonic clock, ms with fractions. For durations and deadlines. */
  elapsed(): number
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
}
