/** When repeated failures lead to a pause, and how long it is. */
export interface CooldownPolicy {
  /** Consecutive failures after which the circuit opens. */
  readonly failures: number
  /** First pause, ms; doubles with each further one. */
  readonly baseMs: number
  /** Longest pause, ms, also where the other side asks for more. */
  readonly maxMs: number
}

// A probe whose outcome is never reported would block the circuit for good; after this long another may try.
const probeLeaseMs = 30_000
const doublingsMax = 30

/**
 * A circuit breaker: closed until failures pile up, then cooling for a while, then letting one probe through at a time.
 * All times are of the monotonic clock, ms.
 */
export class Circuit {
  #state: 'closed' | 'cooling' | 'probing' = 'closed'
  #failures = 0
  #pauses = 0
  #readyAt = 0

  /** Says whether an attempt may start. */
  isReady(now: number): boolean {
    return this.#state === 'closed' || this.#readyAt <= now
  }

  /** Time until an attempt may start, ms; 0 when it may. */
  readyInMs(now: number): number {
    return this.#state === 'closed' ? 0 : Math.max(0, this.#readyAt - now)
  }

  /** Marks the start of an attempt. After a pause it becomes the probe, and further ones wait for its outcome. */
  begin(now: number): void {
    if (this.#state === 'closed') return
    this.#state = 'probing'
    this.#readyAt = now + probeLeaseMs
  }

  /**
   * The attempt goes well so far. A probe lets the others through with that, but on probation: what failed before is
   * forgotten only when it has succeeded.
   */
  progress(): void {
    if (this.#state === 'probing') this.#state = 'closed'
  }

  /** Ends an attempt well: everything before is forgotten. */
  succeed(): void {
    if (this.#state === 'closed' && this.#failures === 0) return
    this.#state = 'closed'
    this.#failures = 0
    this.#pauses = 0
  }

  /** Ends an attempt without a verdict, so that the next one may probe at once. */
  abandon(now: number): void {
    if (this.#state !== 'probing') return
    this.#state = 'cooling'
    this.#readyAt = now
  }

  /** Ends an attempt badly. With `retryAfterMs` the pause begins at once and is as long as that, within the policy. */
  fail(now: number, policy: CooldownPolicy, retryAfterMs?: number): void {
    this.#failures += 1
    if (retryAfterMs !== undefined) {
      return this.#cool(now + Math.min(retryAfterMs, policy.maxMs))
    }
    // Attempts that were under way when the circuit opened tell nothing new; counting them would jump to the longest pause.
    if (this.#state === 'cooling' && this.#readyAt > now) return
    if (this.#state === 'closed' && this.#failures < policy.failures) return
    const pauseMs = policy.baseMs * 2 ** Math.min(this.#pauses, doublingsMax)
    this.#pauses += 1
    this.#cool(now + Math.min(pauseMs, policy.maxMs))
  }

  #cool(until: number): void {
    this.#readyAt = this.#state === 'cooling' ? Math.max(this.#readyAt, until) : until
    this.#state = 'cooling'
  }
}
