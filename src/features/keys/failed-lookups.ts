import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import { clientNetwork } from '../../net/ip-address.ts'

const windowMs = 60_000
const failuresMax = 20
const addressesMax = 10_000

/** Counts the unknown keys an address has tried, so that trying many does not pay. */
export interface FailedLookups {
  /**
   * Counts one unknown key. Returns how long the address has to wait, ms, once it has tried more than 20 within a
   * minute; else undefined.
   */
  count(ip: string): number | undefined
}

/** Creates the counter, bounded to the 10,000 addresses seen last. An IPv6 address counts as its /64. */
export function createFailedLookups(clock: Clock): FailedLookups {
  const attempts = new LRUCache<string, { failures: number; startedAt: number }>({
    max: addressesMax,
  })
  return {
    count(ip) {
      const address = clientNetwork(ip)
      const now = clock.elapsed()
      let attempt = attempts.get(address)
      if (!attempt || now - attempt.startedAt >= windowMs) {
        attempt = { failures: 0, startedAt: now }
        attempts.set(address, attempt)
      }
      attempt.failures += 1
      return attempt.failures > failuresMax ? attempt.startedAt + windowMs - now : undefined
    },
  }
}
