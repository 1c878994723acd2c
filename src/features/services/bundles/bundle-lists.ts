import type { BundleSettings } from '../../../protocol/api/services.ts'
import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientProfile } from '../relay/relay.ts'
import type { JsonObject } from '../wire/json.ts'
import { metaFor } from './ask.ts'
import type { BundleDependencies } from './bundle-dependencies.ts'
import type { BundleMemory, Route, RouteTable } from './bundle-memory.ts'
import { compileMemberFilter } from './member-filter.ts'
import { readWholeList, type WholeList } from './member-list.ts'
import type { MemberRelays } from './member-relays.ts'
import { isMethodMissing, keyOf, toOmission, type Member } from './member.ts'
import { mergeLists, type MemberPart, type MergedEntries } from './merge-lists.ts'

/** A list of the bundle, and the way back from it. */
export interface MergedList extends MergedEntries {
  readonly table: RouteTable
}

/** The request that makes a list necessary. */
export interface ListReason {
  readonly requestId: string
  /** Its `_meta`. */
  readonly meta?: JsonObject
  readonly signal: AbortSignal
}

/** What the lists are made of. */
export interface BundleListsOptions {
  readonly deps: BundleDependencies
  readonly relays: MemberRelays
  readonly memory: BundleMemory
  readonly profile: ClientProfile
  readonly naming: BundleSettings['naming']
  /** Fires when the client is gone. */
  readonly ending: AbortSignal
}

/** Where a name leads, and the table that says so. */
export interface FoundRoutes {
  readonly routes: readonly Route[]
  readonly table: RouteTable
}

/** For so long an unknown name is believed to be unknown, so that asking for it again and again costs nothing. */
const freshMs = 1000

/** The lists of a bundle as one client sees them. */
export class BundleLists {
  private readonly options: BundleListsOptions
  private readonly reading = new Map<ListKind, Promise<RouteTable>>()

  constructor(options: BundleListsOptions) {
    this.options = options
  }

  /** Reads a list from all members at once. Never rejects: who does not answer in time is left out. */
  async read(kind: ListKind, reason: ListReason): Promise<MergedList> {
    const { deps, relays, memory, profile, naming, ending } = this.options
    const revision = deps.revision()
    const before = memory.table(profile, kind)
    const deadline = AbortSignal.timeout(deps.config().listDeadlineMs)
    const signal = AbortSignal.any([reason.signal, ending, deadline])
    const way = { ...reason, meta: metaFor(profile, reason.meta), signal }
    const members = relays.visible()
    const parts = await Promise.all(members.map((member) => this.readMember(kind, member, way)))
    const merged = mergeLists({ kind, parts, naming, before })
    const table = { ...merged.table, revision, readAt: deps.clock.elapsed() }
    // What was given up half-way says nothing about the members.
    if (!reason.signal.aborted && !ending.aborted) {
      memory.remember(profile, kind, table)
      for (const part of parts) this.noteStanding(part)
    }
    return { ...merged, table }
  }

  /** The way to what is listed as `name`; read anew where it is not known, or may have changed. */
  async routesOf(kind: ListKind, name: string, requestId: string): Promise<FoundRoutes> {
    const known = this.remembered(kind)
    const routes = known?.routes.get(name)
    if (known !== undefined && routes !== undefined) return { routes, table: known }
    const isFresh =
      known !== undefined && this.options.deps.clock.elapsed() - known.readAt < freshMs
    const table = isFresh ? known : await this.readTable(kind, requestId)
    return { routes: table.routes.get(name) ?? [], table }
  }

  /** The way to everything on a list. */
  async table(kind: ListKind, requestId: string): Promise<RouteTable> {
    return this.remembered(kind) ?? this.readTable(kind, requestId)
  }

  private remembered(kind: ListKind): RouteTable | undefined {
    const { deps, memory, profile } = this.options
    const table = memory.table(profile, kind)
    return table?.revision === deps.revision() ? table : undefined
  }

  /** Many calls may need a table at once; they share one reading, which none of them can give up. */
  private readTable(kind: ListKind, requestId: string): Promise<RouteTable> {
    const running = this.reading.get(kind)
    if (running !== undefined) return running
    const started = this.read(kind, { requestId, signal: this.options.ending })
      .then(({ table }) => table)
      .finally(() => this.reading.delete(kind))
    this.reading.set(kind, started)
    return started
  }

  private async readMember(kind: ListKind, member: Member, way: ReadingWay): Promise<MemberPart> {
    const { deps, relays } = this.options
    return Promise.try(() => readWholeList(relays.open(member).relay, kind, way)).then(
      (list) => {
        if (list.end === 'stuck') {
          deps.log.warn({ service: member.endpoint.name, kind }, 'a list goes round in circles')
        }
        return toPart(kind, member, list)
      },
      (error: unknown) =>
        isMethodMissing(error)
          ? toPart(kind, member, nothing)
          : { member, items: undefined, omission: toOmission(member, error), ttlMs: 0 },
    )
  }

  private noteStanding({ member, items, omission }: MemberPart): void {
    const { memory, deps } = this.options
    const isNews = memory.noteStanding(keyOf(member), items !== undefined)
    if (!isNews) return
    if (items === undefined) {
      deps.log.warn({ ...omission }, 'a bundle goes without one of its services')
    } else {
      deps.log.info({ service: member.endpoint.name }, 'a bundle has one of its services back')
    }
  }
}

type ReadingWay = Parameters<typeof readWholeList>[2]

const nothing: WholeList = {
  items: [],
  ttlMs: Number.POSITIVE_INFINITY,
  omitted: [],
  end: 'complete',
}

function toPart(kind: ListKind, member: Member, { items, ttlMs, end }: WholeList): MemberPart {
  const filter = compileMemberFilter(member.filter)
  const published = items.flatMap((item) => filter.publish(kind, item) ?? [])
  const service = member.endpoint.name
  const omission =
    end === 'cut'
      ? { service, code: 'overloaded', message: 'The list is too long; its end is missing.' }
      : undefined
  return { member, items: published, omission, ttlMs }
}
