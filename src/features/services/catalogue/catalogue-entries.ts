import type { Clock } from '../../../lib/clock.ts'
import type { Log } from '../../../lib/log.ts'
import type { Store } from '../../../store/store.ts'
import { createOneAtATime } from '../one-at-a-time.ts'
import type { OneAtATime } from '../one-at-a-time.ts'
import type { Service, ServiceDirectory } from '../service.ts'
import { keepCatalogue, readCatalogueRows, toKnownCatalogue } from './catalogue-rows.ts'
import type { KnownCatalogue } from './catalogue-rows.ts'
import type { FetchedCatalogue, ListKind, PublishedCatalogue, PublishedList } from './catalogue.ts'
import { listKinds } from './catalogue.ts'
import { compileFilter } from './filter.ts'
import { ApprovedLists, mapLists } from './quarantine.ts'

/** What the catalogue is kept in and who tells it about services. */
export interface CatalogueDeps {
  readonly store: Store
  readonly directory: Pick<ServiceDirectory, 'service' | 'all' | 'onChange'>
  readonly clock: Clock
  readonly log: Log
}

/** What is known of one service, and what clients see of it. */
interface Entry {
  readonly known: KnownCatalogue
  readonly published: PublishedCatalogue
  /** Definitions that differ from what was approved. */
  readonly pending: number
}

/** Hears of published lists that are different. */
type CatalogueListener = (serviceId: string, kinds: ReadonlySet<ListKind>) => void

/** The catalogues in memory, in step with the store and with the settings of the services. */
export interface CatalogueEntries extends AsyncDisposable {
  get(serviceId: string): Entry | undefined
  /** Takes over what is known, and tells which published lists are different. */
  apply(service: Service, known: KnownCatalogue): ReadonlySet<ListKind>
  /** Resolves when it is stored, or is not: then it is logged, and written with the next change. */
  save(serviceId: string): Promise<void>
  /** Says whether the last state did not reach the store. */
  isUnsaved(serviceId: string): boolean
  /** Runs one write after the other. */
  readonly enqueue: OneAtATime
  onChange(listener: CatalogueListener): () => void
}

/** Loads the catalogues. Rejects with `storage_failed` when the store does not answer. */
export async function openCatalogueEntries(deps: CatalogueDeps): Promise<CatalogueEntries> {
  const { directory, log, store } = deps
  const entries = await loadEntries(deps)
  const listeners = new Set<CatalogueListener>()
  const unsaved = new Set<string>()
  // An older state must never overtake a later one.
  const enqueue = createOneAtATime()

  function apply(service: Service, known: KnownCatalogue): ReadonlySet<ListKind> {
    const before = entries.get(service.id)?.published
    const entry = toEntry(service, known)
    const { published } = entry
    entries.set(service.id, entry)
    const kinds = differingKinds(before, published)
    if (kinds.size > 0) for (const listener of listeners) listener(service.id, kinds)
    return kinds
  }

  function save(serviceId: string): Promise<void> {
    const write = async (): Promise<void> => {
      const known = entries.get(serviceId)?.known
      if (known !== undefined) await keepCatalogue(store.db, serviceId, known).execute()
      unsaved.delete(serviceId)
    }
    return enqueue(write).catch((err: unknown) => {
      if (!entries.has(serviceId)) return
      unsaved.add(serviceId)
      log.warn({ err, serviceId }, 'catalogue was not stored')
    })
  }

  /** Takes over another filter, and the beginning or end of pinning. */
  function follow(service: Service): void {
    const known = entries.get(service.id)?.known
    if (known === undefined) return
    const approved = approvedFor(service, known.approved, known.fetched)
    apply(service, { ...known, approved })
    if (approved !== known.approved) void save(service.id)
  }

  const stopFollowing = directory.onChange(({ before, after }) => {
    if (after !== undefined) follow(after)
    else if (before !== undefined) entries.delete(before.id)
  })

  return {
    get: (serviceId) => entries.get(serviceId),
    apply,
    save,
    isUnsaved: (serviceId) => unsaved.has(serviceId),
    enqueue,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      stopFollowing()
      await enqueue(async () => undefined)
    },
  }
}

async function loadEntries({ store, directory, log }: CatalogueDeps): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  for (const row of await readCatalogueRows(store.db)) {
    const service = directory.service(row.serviceId)
    if (service === undefined) continue
    // One row that cannot be read means a service that is asked again, and nothing else.
    const known = await Promise.try(toKnownCatalogue, row).catch((err: unknown) => {
      log.error({ err, serviceId: service.id }, 'catalogue cannot be read and is left out')
    })
    if (known) entries.set(service.id, toEntry(service, known))
  }
  return entries
}

/** What is found first of a pinned server counts as approved, and what there is when pinning begins. */
export function approvedFor(
  { settings }: Service,
  before: ApprovedLists | undefined,
  fetched: FetchedCatalogue,
): ApprovedLists | undefined {
  if (!settings.pin) return undefined
  return before ?? new ApprovedLists(fetched.lists)
}

/** What becomes of what is known under the settings of the service. */
export function toEntry({ settings }: Service, known: KnownCatalogue): Entry {
  const { fetched, approved, fetchedAt, revision } = known
  const filter = compileFilter(settings.filter)
  const lists = approved?.filter(fetched.lists) ?? fetched.lists
  return {
    known,
    published: {
      hello: fetched.hello,
      lists: mapLists((kind) => filter.publish(kind, lists[kind])),
      fetchedAt,
      revision,
    },
    pending: approved?.countChanges(fetched.lists) ?? 0,
  }
}

function differingKinds(
  before: PublishedCatalogue | undefined,
  after: PublishedCatalogue,
): ReadonlySet<ListKind> {
  return new Set(listKinds.filter((kind) => !isSame(before?.lists[kind], after.lists[kind])))
}

function isSame(before: PublishedList | undefined, after: PublishedList): boolean {
  const items = before?.items ?? []
  if (items.length !== after.items.length) return false
  return items.every((item, at) => {
    const other = after.items[at]
    return (
      item.json === other?.json &&
      item.name === other.name &&
      item.upstreamName === other.upstreamName
    )
  })
}
