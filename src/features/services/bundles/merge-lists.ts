import type { BundleSettings } from '../../../protocol/api/services.ts'
import type { ListKind, PublishedItem } from '../catalogue/catalogue.ts'
import type { Route, RouteTable } from './bundle-memory.ts'
import { keyOf, type Member, type Omission } from './member.ts'
import { assignNames, type NameClaim, type NamedEntry } from './tool-names.ts'

/** What one member contributes to a list. */
export interface MemberPart {
  readonly member: Member
  /** undefined where it could not be asked. */
  readonly items: readonly PublishedItem[] | undefined
  readonly omission: Omission | undefined
  readonly ttlMs: number
}

/** One entry of a merged list. */
export interface MergedEntry {
  /** By which this bundle knows it. */
  readonly name: string
  /** As its member publishes it; its name may be another one. */
  readonly item: PublishedItem
}

/** The lists of all members as one. */
export interface MergedEntries {
  readonly entries: readonly MergedEntry[]
  readonly omitted: readonly Omission[]
  /** The least of all members; 0 where one is missing. */
  readonly ttlMs: number
}

interface Merging {
  readonly kind: ListKind
  readonly parts: readonly MemberPart[]
  readonly naming: BundleSettings['naming']
  /** As it was the last time. */
  readonly before: RouteTable | undefined
}

/** Merges the lists of all members: in their order, and in the order of each of them. */
export function mergeLists({ kind, parts, naming, before }: Merging): MergedEntries & {
  readonly table: Omit<RouteTable, 'revision' | 'readAt'>
} {
  const claims = parts.map((part) => claimOf(part, before))
  const isNamed = kind === 'tools' || kind === 'prompts'
  const { named, lost } = isNamed ? assignNames(naming, claims) : keepNames(claims)
  const publishedNames = new Map<string, string>(
    named.map(({ key, name, published }) => [`${key}\n${name}`, published]),
  )
  const entries = parts.flatMap(({ member, items }) => {
    const key = keyOf(member)
    const seen = new Set<string>()
    return (items ?? []).flatMap((item) => {
      const { name } = item
      const published = publishedNames.get(`${key}\n${name}`)
      if (published === undefined || seen.has(name)) return []
      seen.add(name)
      return [{ name: published, item }]
    })
  })
  const omitted = [...parts.flatMap(({ omission }) => omission ?? []), ...lostOf(lost, parts)]
  const ttlMs = omitted.length > 0 ? 0 : Math.min(...parts.map((part) => part.ttlMs))
  const ownNames = new Map(claims.map(({ key, names }) => [key, names]))
  const table = { routes: routesOf(named), ownNames, omitted }
  return { entries, omitted, ttlMs: Number.isFinite(ttlMs) ? ttlMs : 0, table }
}

/** A member that cannot be asked keeps the names it had: nobody is to get its calls meanwhile. */
function claimOf({ member, items }: MemberPart, before: RouteTable | undefined): NameClaim {
  const key = keyOf(member)
  const names = items ?? before?.ownNames.get(key) ?? []
  return {
    key,
    prefix: member.name,
    service: member.endpoint.name,
    names: names.map(({ name, upstreamName }) => ({ name, upstreamName })),
  }
}

/** URIs are what they are; two servers may have the same one. */
function keepNames(claims: readonly NameClaim[]): ReturnType<typeof assignNames> {
  const named = claims.flatMap(({ key, names }) =>
    names.map((own) => ({ ...own, key, published: own.name })),
  )
  return { named, lost: [] }
}

function lostOf(lost: readonly NamedEntry[], parts: readonly MemberPart[]): readonly Omission[] {
  return parts.flatMap(({ member }) => {
    const key = keyOf(member)
    const names = lost.filter((entry) => entry.key === key).map(({ name }) => name)
    if (names.length === 0) return []
    const message = `A service before it has the same names: ${names.join(', ')}.`
    return [{ service: member.endpoint.name, code: 'conflict', message }]
  })
}

function routesOf(named: readonly NamedEntry[]): ReadonlyMap<string, readonly Route[]> {
  const routes = new Map<string, Route[]>()
  for (const { key, published, upstreamName } of named) {
    const found = routes.get(published)
    if (found === undefined) routes.set(published, [{ key, upstreamName }])
    else if (!found.some((route) => route.key === key)) found.push({ key, upstreamName })
  }
  return routes
}
