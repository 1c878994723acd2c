import type { Clock } from '../../../lib/clock.ts'
import type { Era } from '../wire/protocol-versions.ts'

/** How a server was found to be spoken with. */
export interface Manner {
  readonly era: Era
  readonly transport: 'streamable-http' | 'sse' | 'websocket'
}

/** What was found out, by revision of the service: with other settings it may be another server. */
export interface Manners {
  /** As long as it can be relied on. */
  recall(revision: string): Manner | undefined
  /** `foundAt` is epoch ms; the present where left out. */
  remember(revision: string, manner: Manner, foundAt?: number): void
  /** The era that was last found, however long ago. */
  era(revision: string): Era | undefined
}

/** A server that learns the modern era goes on to speak the legacy one, so that this verdict never fails by itself. */
const legacyVerdictMs = 24 * 60 * 60 * 1000
/** So many revisions are remembered, the latest. */
const revisionsMax = 10_000

/** Creates an empty memory. */
export function createManners(clock: Clock): Manners {
  const found = new Map<string, Manner & { readonly foundAt: number }>()
  return {
    recall(revision) {
      const manner = found.get(revision)
      const isOld = manner?.era === 'legacy' && clock.now() - manner.foundAt > legacyVerdictMs
      return isOld ? undefined : manner
    },
    remember(revision, manner, foundAt = clock.now()) {
      const [oldest] = found.keys()
      if (found.size >= revisionsMax && oldest !== undefined) found.delete(oldest)
      found.set(revision, { ...manner, foundAt })
    },
    era: (revision) => found.get(revision)?.era,
  }
}
