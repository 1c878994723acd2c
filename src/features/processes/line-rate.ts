import type { Clock } from '../../lib/clock.ts'

/** Lets so many lines through a second, and counts the others. */
export interface LineRate {
  /** Whether one more line may pass. */
  admit(linesPerSecondMax: number): boolean
  /** Lines refused in a second that is over; each is told of once. */
  takeDropped(): number
  /** Whether there are refused lines of which nobody has been told. */
  readonly hasDropped: boolean
}

const secondMs = 1000

/** Creates the counter. */
export function createLineRate(clock: Clock): LineRate {
  let startedAt = clock.elapsed()
  let passed = 0
  let dropped = 0
  let droppedBefore = 0

  function turn(): void {
    const now = clock.elapsed()
    if (now - startedAt < secondMs) return
    droppedBefore += dropped
    startedAt = now
    passed = 0
    dropped = 0
  }
  return {
    admit(linesPerSecondMax) {
      turn()
      if (passed >= linesPerSecondMax) {
        dropped += 1
        return false
      }
      passed += 1
      return true
    },
    takeDropped() {
      turn()
      const count = droppedBefore
      droppedBefore = 0
      return count
    },
    get hasDropped() {
      return dropped + droppedBefore > 0
    },
  }
}
