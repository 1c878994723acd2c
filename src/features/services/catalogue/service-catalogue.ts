import { AppError } from '../../../lib/errors.ts'
import type { Author } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import { findBuiltin } from '../builtin/builtin-service.ts'
import type { Service } from '../service.ts'
import { approvedFor, openCatalogueEntries, toEntry } from './catalogue-entries.ts'
import type { CatalogueDeps } from './catalogue-entries.ts'
import { hashFetched, keepCatalogue } from './catalogue-rows.ts'
import type { KnownCatalogue } from './catalogue-rows.ts'
import type { Catalogue, FetchedCatalogue, ListKind } from './catalogue.ts'
import { compileFilter } from './filter.ts'
import type { Approval, DefinitionChange } from './quarantine.ts'

/** The catalogue with what the management needs of it. Disposing of it waits for what is being written. */
export interface ManagedCatalogue extends Catalogue, AsyncDisposable {
  /** Everything the server was found to have, shown or not. */
  fetched(serviceId: string): FetchedCatalogue | undefined
  /** Says whether an entry is held back until it is approved. `name` as at the server, or as the filter renames it. */
  isQuarantined(serviceId: string, kind: ListKind, name: string): boolean
  /** How many entries of a pinned service wait for approval or are gone. */
  pending(serviceId: string): number
  /** What waits for approval, and what of the approved is gone. Empty for a service that is not pinned. */
  changes(serviceId: string): DefinitionChange[]
  /**
   * Approves changes; whoever awaits it finds that durable, audited and effective. Returns how many changes there were.
   * Throws `not_found` for a name without a change, `conflict` for a definition that is no longer the one that was seen.
   */
  approve(service: Service, approval: Approval, author: Author): Promise<number>
}

/** Loads what every service was last known to have. Rejects with `storage_failed` when the store does not answer. */
export async function openCatalogue(deps: CatalogueDeps): Promise<ManagedCatalogue> {
  const { directory, store, clock } = deps
  const entries = await openCatalogueEntries(deps)
  const knownOf = (serviceId: string) => entries.get(serviceId)?.known
  const changesOf = (serviceId: string): DefinitionChange[] => {
    const known = knownOf(serviceId)
    return known?.approved?.changes(known.fetched.lists) ?? []
  }
  return {
    published: (serviceId) => entries.get(serviceId)?.published,
    fetched: (serviceId) => knownOf(serviceId)?.fetched,
    async update(serviceId, revision, fetched) {
      const stored = directory.service(serviceId)
      const service = stored ?? findBuiltin(serviceId)
      if (service === undefined) return new Set()
      const before = knownOf(serviceId)
      const hash = hashFetched(fetched)
      const approved = approvedFor(service, before?.approved, fetched)
      const fetchedAt = clock.now()
      const kinds = entries.apply(service, { fetched, revision, hash, approved, fetchedAt })
      // What is part of Portico is asked anew after every start.
      if (stored === undefined) return kinds
      const isSame =
        before?.hash === hash && before.revision === revision && before.approved === approved
      if (!isSame || entries.isUnsaved(serviceId)) await entries.save(serviceId)
      return kinds
    },
    publish(service, fetched) {
      const approved = approvedFor(service, knownOf(service.id)?.approved, fetched)
      const known = { fetched, revision: service.revision, approved, hash: '' }
      return toEntry(service, { ...known, fetchedAt: clock.now() }).published
    },
    isQuarantined(serviceId, kind, name) {
      const service = directory.service(serviceId)
      const known = knownOf(serviceId)
      if (service === undefined || known === undefined) return false
      return isHeldBack(service, known, [kind, name])
    },
    pending: (serviceId) => entries.get(serviceId)?.pending ?? 0,
    changes: changesOf,
    approve: (service, approval, author) =>
      entries.enqueue(async () => {
        const known = knownOf(service.id)
        const chosen = chooseChanges(changesOf(service.id), approval)
        if (known?.approved === undefined || chosen.length === 0) return 0
        const approved = known.approved.approve(known.fetched.lists, approval)
        await store.db.transaction().execute(async (trx) => {
          await keepCatalogue(trx, service.id, { ...known, approved }).execute()
          await writeAudit(trx, toAuditEntry(service, author, chosen))
        })
        // The server may have told of further changes meanwhile; they were not part of this.
        const latest = knownOf(service.id) ?? known
        const current = directory.service(service.id) ?? service
        const settled = approvedFor(current, approved, latest.fetched)
        entries.apply(current, { ...latest, approved: settled })
        return chosen.length
      }),
    onChange: (listener) => entries.onChange(listener),
    [Symbol.asyncDispose]: () => entries[Symbol.asyncDispose](),
  }
}

function isHeldBack(
  { settings }: Service,
  { approved, fetched }: KnownCatalogue,
  [kind, name]: readonly [ListKind, string],
): boolean {
  if (approved === undefined) return false
  const filter = compileFilter(settings.filter)
  const renames = kind === 'tools' || kind === 'prompts' ? settings.filter[kind].rename : {}
  return fetched.lists[kind].some(
    (item) =>
      (item.name === name || renames[item.name] === name) &&
      filter.shows(kind, item.name) &&
      !approved.has(kind, item),
  )
}

/** The changes that an approval is about. */
function chooseChanges(
  changes: readonly DefinitionChange[],
  approval: Approval,
): readonly DefinitionChange[] {
  if ('all' in approval) return changes
  return approval.items.map(({ kind, name, hash }) => {
    const change = changes.find((candidate) => candidate.kind === kind && candidate.name === name)
    if (change === undefined) {
      throw new AppError('not_found', `Nothing waits for approval under the name "${name}".`)
    }
    if (hash !== undefined && hash !== change.hash) {
      throw new AppError('conflict', `"${name}" was changed again in the meantime.`, {
        hint: 'Read the changes again.',
      })
    }
    return change
  })
}

function toAuditEntry(
  { id, workspaceId }: Service,
  { actor, requestId, ip }: Author,
  changes: readonly DefinitionChange[],
) {
  const approved = changes.map(({ kind, name, status, hash }) => ({ kind, name, status, hash }))
  return {
    workspaceId,
    actor,
    requestId,
    ip,
    action: 'service.approve',
    targetType: 'service',
    targetId: id,
    after: { approved },
  }
}
