/** Something that runs for a while and wants to be looked at about once a second. */
interface Ticking {
  tick(now: number): void
  /** Ends at once, because the process does. */
  stop(): void
}

const tickMs = 1_000

/** The calls that run. One timer looks after all of them, because a timer for each would cost more than most calls. */
export interface CallTicker extends Disposable {
  add(call: Ticking): void
  remove(call: Ticking): void
  stopAll(): void
  readonly running: number
}

/** Starts the timer; it does not keep the process alive. */
export function createCallTicker(): CallTicker {
  const calls = new Set<Ticking>()
  const timer = setInterval(() => {
    const now = performance.now()
    for (const call of calls) call.tick(now)
  }, tickMs).unref()
  return {
    add: (call) => void calls.add(call),
    remove: (call) => void calls.delete(call),
    stopAll() {
      for (const call of calls) call.stop()
    },
    get running() {
      return calls.size
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
