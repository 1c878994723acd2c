import type { Clock } from '../../../lib/clock.ts'
import type { AppError } from '../../../lib/errors.ts'

/** For a while after a failure, what failed is not tried again: whoever asks is told at once what it was. */
export interface FailureWindow {
  /** Throws the last failure while its window is open. */
  check(): void
  note(error: AppError): void
  clear(): void
}

const firstMs = 500
const longestMs = 30_000

/** Creates a window that doubles with each failure in a row. */
export function createFailureWindow(clock: Clock): FailureWindow {
  let last: { readonly error: AppError; readonly until: number } | undefined
  let failures = 0
  return {
    check() {
      if (last !== undefined && clock.elapsed() < last.until) throw last.error
    },
    note(error) {
      last = { error, until: clock.elapsed() + Math.min(longestMs, firstMs * 2 ** failures) }
      failures += 1
    },
    clear() {
      last = undefined
      failures = 0
    },
  }
}
