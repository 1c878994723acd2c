import type { Clock } from '../lib/clock.ts'
import type { Change, Claim, Counters, KnownTotal, Reservation, Standing } from './counters.ts'

/** Counters of one process. Nothing in it waits. */
export interface MemoryCounters extends Counters {
  reserve(claims: readonly Claim[]): Reservation
  apply(changes: readonly Change[]): void
  restore(totals: readonly KnownTotal[]): void
  forget(names: readonly string[]): void
  /** What a counter has used and what it holds; zeros where there is none. */
  read(name: string): { used: number; held: number }
  /** Number of counters in memory. */
  readonly size: number
}

/**
 * Creates counters in memory. Windows run on the monotonic clock, totals expire by the wall clock.
 * The number of counters stays within twice the number in use: what has expired is swept as new ones are added.
 */
export function createMemoryCounters(clock: Clock): MemoryCounters {
  return new CounterTable(clock)
}

interface Cell {
  readonly kind: Claim['kind']
  used: number
  /** Claimed and not yet settled; only of totals. */
  held: number
  /** Start of the window on the monotonic clock; 0 for the other kinds. */
  startedAt: number
  /** Length of the window; 0 for the other kinds. */
  readonly windowMs: number
  /** Epoch ms from which a total is of no use; null for never. */
  readonly expiresAt: number | null
}

const sweepSizeMin = 1024

class CounterTable implements MemoryCounters {
  readonly #clock: Clock
  readonly #cells = new Map<string, Cell>()
  #sweepSize = sweepSizeMin

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#cells.size
  }

  reserve(claims: readonly Claim[]): Reservation {
    // Before any cell is looked up: a sweep in between could drop an empty one that is about to be taken from.
    this.#sweepWhenLarge()
    const elapsed = this.#clock.elapsed()
    const cells = claims.map((claim) => this.#open(claim, elapsed))
    let refused = -1
    let longestMs = -1
    for (let at = 0; at < claims.length; at++) {
      const claim = claims[at] as Claim
      const cell = cells[at] as Cell
      const waitMs = fits(claim, cell) ? -1 : msUntilFree(cell, elapsed)
      if (waitMs > longestMs) {
        refused = at
        longestMs = waitMs
      }
    }
    if (refused === -1) take(claims, cells)
    const standings = cells.map((cell) => standingOf(cell, elapsed))
    if (refused === -1) return { refusal: undefined, standings }
    const retryAfterMs = longestMs > 0 && longestMs < Infinity ? longestMs : null
    return { refusal: { claim: refused, retryAfterMs }, standings }
  }

  apply(changes: readonly Change[]): void {
    this.#sweepWhenLarge()
    const elapsed = this.#clock.elapsed()
    for (const change of changes) this.#change(change, elapsed)
  }

  restore(totals: readonly KnownTotal[]): void {
    this.#sweepWhenLarge()
    for (const total of totals) this.#open({ ...total, kind: 'total' }, 0).used = total.used
  }

  forget(names: readonly string[]): void {
    for (const name of names) this.#cells.delete(name)
  }

  read(name: string): { used: number; held: number } {
    const cell = this.#cells.get(name)
    return { used: cell?.used ?? 0, held: cell?.held ?? 0 }
  }

  #change(change: Change, elapsed: number): void {
    const cell = this.#cells.get(change.name)
    switch (change.kind) {
      case 'gauge':
        if (cell) cell.used += change.delta
        return
      case 'window':
        if (cell?.startedAt === change.window && !hasEnded(cell, elapsed)) cell.used += change.delta
        else if (change.delta > 0) this.#open(change, elapsed).used += change.delta
        return
      case 'total':
        if (cell) cell.held += change.heldDelta
        if (change.usedDelta > 0) this.#open(change, elapsed).used += change.usedDelta
    }
  }

  /** The cell of that name as it is at this moment, in a fresh window when nothing was used in the one before. */
  #open(shape: CellShape, elapsed: number): Cell {
    let cell = this.#cells.get(shape.name)
    if (!cell) {
      cell = newCell(shape, elapsed)
      this.#cells.set(shape.name, cell)
    } else if (cell.windowMs > 0 && (cell.used <= 0 || hasEnded(cell, elapsed))) {
      cell.startedAt = elapsed
      cell.used = 0
    }
    return cell
  }

  #sweepWhenLarge(): void {
    if (this.#cells.size < this.#sweepSize) return
    const elapsed = this.#clock.elapsed()
    const now = this.#clock.now()
    for (const [name, cell] of this.#cells) {
      if (isOver(cell, elapsed, now)) this.#cells.delete(name)
    }
    this.#sweepSize = Math.max(sweepSizeMin, this.#cells.size * 2)
  }
}

/** What a new cell takes from the claim or change that made it. */
interface CellShape {
  readonly kind: Claim['kind']
  readonly name: string
  readonly windowMs?: number
  readonly expiresAt?: number | null
}

function newCell(shape: CellShape, elapsed: number): Cell {
  const windowMs = shape.windowMs ?? 0
  const startedAt = windowMs > 0 ? elapsed : 0
  return {
    kind: shape.kind,
    used: 0,
    held: 0,
    startedAt,
    windowMs,
    expiresAt: shape.expiresAt ?? null,
  }
}

function fits(claim: Claim, cell: Cell): boolean {
  const free = claim.max - cell.used - cell.held
  return free > 0 && claim.amount <= free
}

/** Infinity for a total, which only a larger maximum frees; 0 for a gauge, of which nobody can say. */
function msUntilFree(cell: Cell, elapsed: number): number {
  switch (cell.kind) {
    case 'total':
      return Infinity
    case 'gauge':
      return 0
    case 'window':
      return cell.startedAt + cell.windowMs - elapsed
  }
}

function take(claims: readonly Claim[], cells: readonly Cell[]): void {
  for (let at = 0; at < claims.length; at++) {
    const claim = claims[at] as Claim
    const cell = cells[at] as Cell
    if (claim.kind === 'total') cell.held += claim.amount
    else cell.used += claim.amount
  }
}

function standingOf(cell: Cell, elapsed: number): Standing {
  return {
    taken: cell.used + cell.held,
    window: cell.startedAt,
    resetMs: cell.windowMs > 0 ? cell.startedAt + cell.windowMs - elapsed : null,
  }
}

function hasEnded(cell: Cell, elapsed: number): boolean {
  return elapsed - cell.startedAt >= cell.windowMs
}

function isOver(cell: Cell, elapsed: number, now: number): boolean {
  switch (cell.kind) {
    case 'window':
      return hasEnded(cell, elapsed)
    case 'gauge':
      return cell.used <= 0
    case 'total':
      return cell.expiresAt !== null && now >= cell.expiresAt
  }
}
