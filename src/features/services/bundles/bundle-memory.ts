import { LRUCache } from 'lru-cache'
import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientProfile } from '../relay/relay.ts'
import type { JsonObject } from '../wire/json.ts'
import type { Omission } from './member.ts'
import type { OwnName } from './tool-names.ts'

/** Where a name or URI leads. */
export interface Route {
  /** Key of the member. */
  readonly key: string
  readonly upstreamName: string
}

/** What one list came to when it was last read: the way from what clients name to what servers have. */
export interface RouteTable {
  /** `revision` of the dependencies at that time. */
  readonly revision: number
  /** Monotonic, ms. */
  readonly readAt: number
  /** By name, URI or template; more than one where several servers have the same. */
  readonly routes: ReadonlyMap<string, readonly Route[]>
  /** What each member listed, by its key. Those that could not be read keep what they had before. */
  readonly ownNames: ReadonlyMap<string, readonly OwnName[]>
  readonly omitted: readonly Omission[]
}

/** What a member said of itself. */
export interface MemberHello {
  readonly capabilities: JsonObject
  readonly instructions: string | undefined
}

/** What a bundle remembers between the requests of its clients, of whom modern ones leave nothing open in between. */
export interface BundleMemory {
  table(profile: ClientProfile, kind: ListKind): RouteTable | undefined
  remember(profile: ClientProfile, kind: ListKind, table: RouteTable): void
  /** Forgets what a client was told, because one of its servers says that it has changed. */
  forget(profile: ClientProfile, kinds: readonly ListKind[]): void
  hello(profile: ClientProfile, key: string): MemberHello | undefined
  rememberHello(profile: ClientProfile, key: string, hello: MemberHello): void
  /** Notes whether a member answers; says whether that is news. */
  noteStanding(key: string, isThere: boolean): boolean
}

/** Routes of all clients of a bundle; one takes some 200 bytes. */
const routesMax = 200_000

/** Creates an empty memory. */
export function createBundleMemory(): BundleMemory {
  const tables = new LRUCache<string, RouteTable>({
    maxSize: routesMax,
    sizeCalculation: ({ routes }) => routes.size + 1,
  })
  const hellos = new LRUCache<string, MemberHello>({ max: 2000 })
  const missing = new Set<string>()
  return {
    table: (profile, kind) => tables.get(`${kind} ${audienceOf(profile)}`),
    remember: (profile, kind, table) => void tables.set(`${kind} ${audienceOf(profile)}`, table),
    forget(profile, kinds) {
      for (const kind of kinds) expire(`${kind} ${audienceOf(profile)}`)
    },
    hello: ({ era }, key) => hellos.get(`${era} ${key}`),
    rememberHello: ({ era }, key, hello) => void hellos.set(`${era} ${key}`, hello),
    noteStanding(key, isThere) {
      const isKnown = missing.has(key) !== isThere
      if (isThere) missing.delete(key)
      else missing.add(key)
      return !isKnown
    },
  }

  /** The names are kept: a member that fails now must not lose them to another. */
  function expire(key: string): void {
    const table = tables.get(key)
    if (table !== undefined) tables.set(key, { ...table, revision: Number.NaN })
  }
}

/** Who may be told different things: keys see different tools, and sessions may have servers of their own. */
function audienceOf({ era, caller, sessionId }: ClientProfile): string {
  return `${era} ${caller.keyId} ${sessionId ?? ''}`
}
