import { AppError } from '../../../lib/errors.ts'

/** How many connections there may be at a time. */
export interface SlotLimits {
  readonly perKeyMax: number
  readonly totalMax: number
}

/** Counts connections. */
export interface ConnectionSlots {
  /** Takes a slot and returns the function that gives it back, once. Throws `overloaded` where there is none. */
  take(keyId: string): () => void
}

/** Makes the count, which starts at none. */
export function createConnectionSlots({ perKeyMax, totalMax }: SlotLimits): ConnectionSlots {
  const counts = new Map<string, number>()
  let total = 0
  const change = (keyId: string, by: 1 | -1): void => {
    const count = (counts.get(keyId) ?? 0) + by
    total += by
    if (count === 0) counts.delete(keyId)
    else counts.set(keyId, count)
  }
  return {
    take(keyId) {
      if ((counts.get(keyId) ?? 0) >= perKeyMax) {
        throw full(`This key has ${perKeyMax} connections of this kind.`)
      }
      if (total >= totalMax) throw full(`There are ${totalMax} connections of this kind.`)
      change(keyId, 1)
      let isTaken = true
      return () => {
        if (isTaken) change(keyId, -1)
        isTaken = false
      }
    },
  }
}

function full(message: string): AppError {
  return new AppError('overloaded', message, { hint: 'Close one, or retry in a while.' })
}
