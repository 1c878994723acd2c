import { createHash } from 'node:crypto'
import type { BundleSettings } from '../../../protocol/api/services.ts'

/** One tool or prompt of a member. */
export interface OwnName {
  /** As its filter publishes it. */
  readonly name: string
  /** As the server calls it. */
  readonly upstreamName: string
}

/** What one member has to be named, in the order in which it lists it. */
export interface NameClaim {
  /** Identifies the member within the bundle. */
  readonly key: string
  readonly prefix: string
  /** Name of the service: it makes shortened names differ. */
  readonly service: string
  readonly names: readonly OwnName[]
}

/** Who has a published name. */
export interface NamedEntry extends OwnName {
  readonly key: string
  readonly published: string
}

/** Most characters of a published name: what the APIs of the models accept. */
export const nameCharsMax = 64
const separator = '__'
const hashChars = 8

/**
 * Names for what all members have, in their order: no two are equal, none is longer than 64 characters, and what a member
 * is given depends on nothing that a member after it has. `lost` are those that mode `never` has no name for.
 */
export function assignNames(
  mode: BundleSettings['naming'],
  claims: readonly NameClaim[],
): { readonly named: readonly NamedEntry[]; readonly lost: readonly NamedEntry[] } {
  const named: NamedEntry[] = []
  const lost: NamedEntry[] = []
  const taken = new Set<string>()
  const bare = new Set<string>()
  for (const claim of claims) {
    const own = distinct(claim.names)
    for (const entry of own) {
      const isTaken = bare.has(entry.name)
      const published = freeName({ mode, claim, name: entry.name, isTaken }, taken)
      if (published === undefined) {
        lost.push({ ...entry, key: claim.key, published: entry.name })
      } else {
        taken.add(published)
        named.push({ ...entry, key: claim.key, published })
      }
    }
    for (const { name } of own) bare.add(name)
  }
  return { named, lost }
}

/** A server that lists one name twice means one thing. */
function distinct(names: readonly OwnName[]): readonly OwnName[] {
  const seen = new Set<string>()
  return names.filter(({ name }) => !seen.has(name) && seen.add(name))
}

interface Wish {
  readonly mode: BundleSettings['naming']
  readonly claim: NameClaim
  readonly name: string
  /** Whether a member before has the same name. */
  readonly isTaken: boolean
}

function freeName(wish: Wish, taken: ReadonlySet<string>): string | undefined {
  const { mode, claim, name, isTaken } = wish
  if (mode === 'never' && isTaken) return undefined
  const prefixed = claim.prefix + separator + name
  const wanted = mode === 'always' || isTaken ? [prefixed] : [name]
  if (mode === 'on-collision') wanted.push(prefixed)
  const found = wanted.map((text) => fitName(text, [claim.service, name])).find(isFree)
  if (found !== undefined || mode === 'never') return found
  // A prefixed name may be what another server calls a tool of its own; a longer hash tells them apart.
  for (let attempt = 1; ; attempt += 1) {
    const text = shorten(prefixed, [claim.service, claim.key, name, String(attempt)])
    if (isFree(text)) return text
  }

  function isFree(text: string): boolean {
    return !taken.has(text)
  }
}

/**
 * `name` itself where it fits: at most 64 letters, digits, dots, dashes and underscores. Otherwise its beginning and a
 * hash of `identity`, so that it is the same whenever and wherever it is worked out.
 */
export function fitName(name: string, identity: readonly string[]): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : shorten(name, identity)
}

function shorten(name: string, identity: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex')
  const kept = name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, nameCharsMax - hashChars - 1)
  return `${kept}_${hash.slice(0, hashChars)}`
}
