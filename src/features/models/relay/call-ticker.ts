/** Something that runs for a while and wants to be looked at about once a second. */
interface Ticking {
  tick(now: number): void
  /** Ends at once, because the process does. */
  stop(): void
}

const tickMs = 1_000

/** The calls that run. One timer looks after all of them, because a timer for each would cost more than most calls. */
export interface CallTicker extends Disposable {
  /** Returns the function that takes the call out again. */
  add(call: Ticking): () => void
  stopAll(): void
  readonly running: number
}

interface Slot {
  readonly call: Ticking
  index: number
}

/** Starts the timer; it does not keep the process alive. */
export function createCallTicker(): CallTicker {
  // Not a Set: V8 chains the tables that a Set has outgrown, and with thousands of calls a second coming and going, dead
  // tables in the old generation keep dead calls alive until the next full collection.
  const slots: Slot[] = []

  function remove(slot: Slot): void {
    const last = slots.pop()
    if (last === undefined || last === slot) return
    last.index = slot.index
    slots[slot.index] = last
  }

  const timer = setInterval(() => {
    const now = performance.now()
    for (const { call } of slots.slice()) call.tick(now)
  }, tickMs).unref()
  return {
    add(call) {
      const slot = { call, index: slots.length }
      slots.push(slot)
      return () => remove(slot)
    },
    stopAll() {
      for (const { call } of slots.slice()) call.stop()
    },
    get running() {
      return slots.length
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
