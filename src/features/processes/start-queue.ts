import { LRUCache } from 'lru-cache'
import type { Live } from '../../lib/live.ts'

/** Bounds how many programs start at the same time; whose owner was used last has its turn first. */
export interface StartQueue {
  /** Notes that the owner is wanted now. */
  touch(owner: string): void
  /**
   * Resolves at the owner's turn with the function that ends it; calling that twice is harmless.
   * Rejects with the reason of `signal` when that comes first.
   */
  takeTurn(owner: string, signal: AbortSignal): Promise<() => void>
}

interface Waiter {
  readonly owner: string
  proceed(): void
}

const ownersMax = 10_000

/** Creates a queue of at most `startsMax()` turns at once. */
export function createStartQueue(startsMax: Live<number>): StartQueue {
  const lastUse = new LRUCache<string, number>({ max: ownersMax })
  const waiters = new Set<Waiter>()
  let uses = 0
  let taken = 0

  function endTurn(): void {
    taken -= 1
    const [next] = [...waiters].toSorted(
      (one, other) => (lastUse.get(other.owner) ?? 0) - (lastUse.get(one.owner) ?? 0),
    )
    if (!next || taken >= startsMax()) return
    waiters.delete(next)
    next.proceed()
  }
  function beginTurn(): () => void {
    let isOver = false
    taken += 1
    return () => {
      if (!isOver) endTurn()
      isOver = true
    }
  }
  return {
    touch(owner) {
      uses += 1
      lastUse.set(owner, uses)
    },
    async takeTurn(owner, signal) {
      signal.throwIfAborted()
      if (taken < startsMax()) return beginTurn()
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const waiter = { owner, proceed: () => resolve(beginTurn()) }
      waiters.add(waiter)
      const giveUp = () => {
        waiters.delete(waiter)
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', giveUp, { once: true })
      return await promise.finally(() => signal.removeEventListener('abort', giveUp))
    },
  }
}
