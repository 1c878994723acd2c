import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { BundleSettings } from '../../../protocol/api/services.ts'
import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientProfile } from '../relay/relay.ts'
import type { JsonObject } from '../wire/json.ts'
import { metaFor } from './ask.ts'
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

/** The lists of a bundle as one client sees them. */
export interface BundleLists {
  /** Reads a list from all members at once. Never rejects: who does not answer in time is left out. */
  read(kind: ListKind, reason: ListReason): Promise<MergedList>
  /** The way to what is listed as `name`; read anew where it is not known, or may have changed. */
  routesOf(
    kind: ListKind,
    name: string,
    requestId: string,
  ): Promise<{ readonly routes: readonly Route[]; readonly table: RouteTable }>
  /** The way to everything on a list. */
  table(kind: ListKind, requestId: string): Promise<RouteTable>
}

/** What the lists are made of. */
export interface BundleListsOptions {
  readonly relays: MemberRelays
  readonly memory: BundleMemory
  readonly profile: ClientProfile
  readonly naming: BundleSettings['naming']
  readonly revision: () => number
  readonly config: Live<{ readonly listDeadlineMs: number }>
  readonly clock: Clock
  readonly log: Log
  /** Fires when the client is gone. */
  readonly ending: AbortSignal
}

/** For so long an unknown name is believed to be unknown, so that asking for it again and again costs nothing. */
const freshMs = 1000

/** Creates the lists of one client. */
export function createBundleLists(options: BundleListsOptions): BundleLists {
  const { relays, memory, profile, clock, log } = options
  const reading = new Map<ListKind, Promise<RouteTable>>()

  async function read(kind: ListKind, reason: ListReason): Promise<MergedList> {
    const revision = options.revision()
    const before = memory.table(profile, kind)
    const deadline = AbortSignal.timeout(options.config().listDeadlineMs)
    const signal = AbortSignal.any([reason.signal, options.ending, deadline])
    const way = { ...reason, meta: metaFor(profile, reason.meta), signal }
    const members = relays.visible()
    const parts = await Promise.all(members.map((member) => readMember(kind, { member, way })))
    const merged = mergeLists({ kind, parts, naming: options.naming, before })
    const table = { ...merged.table, revision, readAt: clock.elapsed() }
    // What was given up half-way says nothing about the members.
    if (!reason.signal.aborted && !options.ending.aborted) {
      memory.remember(profile, kind, table)
      parts.forEach(noteStanding)
    }
    return { ...merged, table }
  }

  function readMember(
    kind: ListKind,
    { member, way }: { member: Member; way: Parameters<typeof readWholeList>[2] },
  ): Promise<MemberPart> {
    return Promise.try(() => readWholeList(relays.open(member).relay, kind, way)).then(
      (list) => {
        if (list.end === 'stuck') {
          log.warn({ service: member.endpoint.name, kind }, 'a list goes round in circles')
        }
        return toPart(kind, member, list)
      },
      (error: unknown) =>
        isMethodMissing(error)
          ? toPart(kind, member, nothing)
          : { member, items: undefined, omission: toOmission(member, error), ttlMs: 0 },
    )
  }

  function noteStanding({ member, items, omission }: MemberPart): void {
    const isNews = memory.noteStanding(keyOf(member), items !== undefined)
    if (!isNews) return
    if (items === undefined) log.warn({ ...omission }, 'a bundle goes without one of its services')
    else log.info({ service: member.endpoint.name }, 'a bundle has one of its services back')
  }

  /** Many calls may need a table at once; they share one reading, which none of them can give up. */
  function readTable(kind: ListKind, requestId: string): Promise<RouteTable> {
    const running = reading.get(kind)
    if (running !== undefined) return running
    const started = read(kind, { requestId, signal: options.ending })
      .then(({ table }) => table)
      .finally(() => reading.delete(kind))
    reading.set(kind, started)
    return started
  }

  function remembered(kind: ListKind): RouteTable | undefined {
    const table = memory.table(profile, kind)
    return table?.revision === options.revision() ? table : undefined
  }

  return {
    read,
    async routesOf(kind, name, requestId) {
      const known = remembered(kind)
      const routes = known?.routes.get(name)
      if (known !== undefined && routes !== undefined) return { routes, table: known }
      const isFresh = known !== undefined && clock.elapsed() - known.readAt < freshMs
      const table = isFresh ? known : await readTable(kind, requestId)
      return { routes: table.routes.get(name) ?? [], table }
    },
    async table(kind, requestId) {
      return remembered(kind) ?? readTable(kind, requestId)
    },
  }
}

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
