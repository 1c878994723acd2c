/**
 * One thing a call asks for. Plain data, so that an implementation may judge a whole list where the counters live, in
 * one step.
 * A claim is refused when `amount` does not fit below `max`, and also when nothing is left, whatever the amount.
 */
export type Claim = WindowClaim | GaugeClaim | TotalClaim

/** So much within `windowMs`, counted from the first use; what is taken comes back when the window ends. */
interface WindowClaim {
  readonly kind: 'window'
  readonly name: string
  readonly amount: number
  readonly max: number
  readonly windowMs: number
}

/** So many at the same time; comes back when it is given back. */
interface GaugeClaim {
  readonly kind: 'gauge'
  readonly name: string
  readonly amount: number
  readonly max: number
}

/** So much in all. What is claimed is held until it is given back or booked as used. */
interface TotalClaim {
  readonly kind: 'total'
  readonly name: string
  readonly amount: number
  readonly max: number
  /** From when on nobody asks for this counter any more, epoch ms; null for never. */
  readonly expiresAt: number | null
}

/** Where a counter stands after its claim was granted, or stood when the list was refused. */
export interface Standing {
  /** Used and held together. */
  readonly taken: number
  /** Which window the claim was counted in; 0 for the other kinds. */
  readonly window: number
  /** Until the window ends, ms; null for the other kinds. */
  readonly resetMs: number | null
}

/** Why a list of claims was refused: of the claims that failed, the one that stands in the way longest. */
export interface Refusal {
  /** Index in the list of claims. */
  readonly claim: number
  /** Until the claim can succeed, ms; null when time alone does not help, or nobody can say. */
  readonly retryAfterMs: number | null
}

/** The outcome of a list of claims; `standings` has one element a claim, in the same order. */
export interface Reservation {
  readonly refusal: Refusal | undefined
  readonly standings: readonly Standing[]
}

/** A correction of one counter. A counter that does not exist is made only where something is added to it. */
export type Change =
  | {
      readonly kind: 'window'
      readonly name: string
      readonly delta: number
      readonly windowMs: number
      /**
       * The window that the claim was counted in. When it is over, a negative delta has nothing to correct any more, and
       * a positive one counts in the window that runs now.
       */
      readonly window: number
    }
  | { readonly kind: 'gauge'; readonly name: string; readonly delta: number }
  | {
      readonly kind: 'total'
      readonly name: string
      readonly heldDelta: number
      readonly usedDelta: number
      readonly expiresAt: number | null
    }

/** What has been used of a total so far, as a ledger knows it. */
export interface KnownTotal {
  readonly name: string
  readonly used: number
  readonly expiresAt: number | null
}

/**
 * Counters that limits are enforced with. `reserve` is atomic: all claims of a list are granted or none, also between
 * processes that share the counters.
 * Methods answer at once when the counters are in this process, so that the data plane need not wait a turn.
 */
export interface Counters {
  reserve(claims: readonly Claim[]): Reservation | Promise<Reservation>
  apply(changes: readonly Change[]): void | Promise<void>
  /** Overwrites what the totals have used; what is held stays held. */
  restore(totals: readonly KnownTotal[]): void | Promise<void>
  forget(names: readonly string[]): void | Promise<void>
}
