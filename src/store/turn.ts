import { AppError } from '../lib/errors.ts'

/** Lets one holder in at a time, in the order of asking. */
export interface Turn {
  /** Resolves when it is the caller's turn. Rejects with `storage_failed` when that takes longer than the deadline. */
  take(): Promise<void>
  /** Ends the turn; called exactly once after each `take` that resolved. */
  pass(): void
}

/** A turn whose waiters give up after `timeoutMs`, so that a holder which waits for itself becomes an error and not a hang. */
export function createTurn(timeoutMs: number): Turn {
  const waiting = new Set<() => void>()
  let taken = false

  return {
    take() {
      if (!taken) {
        taken = true
        return Promise.resolve()
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const timer = setTimeout(() => {
        waiting.delete(enter)
        reject(new AppError('storage_failed', 'The store was busy for too long.'))
      }, timeoutMs)
      const enter = () => {
        clearTimeout(timer)
        resolve()
      }
      waiting.add(enter)
      return promise
    },
    pass() {
      // A set iterates in insertion order, so its first member has waited longest.
      const [next] = waiting
      taken = next !== undefined
      if (next === undefined) return
      waiting.delete(next)
      next()
    },
  }
}
