import type { Clock } from '../../../lib/clock.ts'

/** Something that is looked at every second while it is open. */
export interface Swept {
  /** `now` is monotonic, ms. */
  sweep(now: number): void
}

/** One timer for everything that is open, instead of one for each. Disposing of it stops the timer. */
export interface Sweep extends Disposable {
  add(item: Swept): void
  delete(item: Swept): void
}

/** Well below the two seconds in which the connections of a disabled key are to be closed. */
const periodMs = 1_000

/** Creates the sweep. */
export function createSweep(clock: Pick<Clock, 'elapsed'>): Sweep {
  const items = new Set<Swept>()
  const timer = setInterval(() => {
    const now = clock.elapsed()
    for (const item of items) item.sweep(now)
  }, periodMs).unref()
  return {
    add: (item) => void items.add(item),
    delete: (item) => void items.delete(item),
    [Symbol.dispose]() {
      clearInterval(timer)
      items.clear()
    },
  }
}
