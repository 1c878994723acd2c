import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { ChangeKind } from './list-changes.ts'
import type { Sealer } from './list-cursor.ts'
import type { Member } from './member.ts'

/** What a bundle is made of. */
export interface BundleDependencies {
  /** The services of the bundle that are enabled, in their order; asked whenever they are needed. */
  members(): readonly Member[]
  /** Another number whenever members, their filters or any of their published lists have changed. */
  revision(): number
  /**
   * Hears of the same, and of members that are back: with the lists that may be different, all of them where left out.
   * Returns the function that ends it.
   */
  onMembersChanged(listener: (kinds?: readonly ChangeKind[]) => void): () => void
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly config: Live<{ readonly listDeadlineMs: number }>
  /** Counts the tokens of a text, where something better than an estimate is at hand. */
  readonly countTokens?: ((text: string) => number) | undefined
}
