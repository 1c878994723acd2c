import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'

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
      const address = networkOf(ip)
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

/** The address, or for IPv6 its first four groups: whoever has one address of a /64 has them all. */
function networkOf(ip: string): string {
  if (!isIPv6(ip) || ip.startsWith('::ffff:')) return ip
  const [head = '', tail] = ip.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...right]
  return groups.slice(0, 4).join(':')
}
