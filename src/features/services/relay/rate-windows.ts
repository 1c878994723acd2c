import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'

/** Requests a minute, by any key, in fixed windows of 60 seconds. */
export interface RateWindows {
  /** Counts a request. Returns `X-RateLimit-*` as a flat list name, value, …; throws `rate_limit_exceeded` with the same headers. */
  count(key: string, max: number): string[]
}

interface Window {
  used: number
  /** Epoch ms. */
  readonly endsAt: number
}

const windowMs = 60_000
/** Beyond so many keys the windows that ended are thrown away. */
const windowsMax = 10_000

/** Creates windows in which nothing is counted yet. */
export function createRateWindows(clock: Clock): RateWindows {
  const windows = new Map<string, Window>()
  return {
    count(key, max) {
      const now = clock.now()
      if (windows.size > windowsMax) dropEnded(windows, now)
      const known = windows.get(key)
      const window =
        known !== undefined && known.endsAt > now ? known : { used: 0, endsAt: now + windowMs }
      windows.set(key, window)
      if (window.used >= max) throw tooMany(max, window, now)
      window.used += 1
      return Object.entries(limitHeaders(max, window)).flat()
    },
  }
}

/** The reset is epoch ms. */
function limitHeaders(max: number, { used, endsAt }: Window): Record<string, string> {
  return {
    'x-ratelimit-limit': String(max),
    'x-ratelimit-remaining': String(Math.max(0, max - used)),
    'x-ratelimit-reset': String(endsAt),
  }
}

function tooMany(max: number, window: Window, now: number): AppError {
  return new AppError(
    'rate_limit_exceeded',
    'The requests per minute of the service are used up.',
    {
      headers: limitHeaders(max, window),
      retryAfterMs: window.endsAt - now,
    },
  )
}

function dropEnded(windows: Map<string, Window>, now: number): void {
  for (const [key, { endsAt }] of windows) if (endsAt <= now) windows.delete(key)
}
