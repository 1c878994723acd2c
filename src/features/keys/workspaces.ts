import type { Selectable } from 'kysely'
import type { Counters } from '../../cluster/counters.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Principal } from '../../lib/principal.ts'
import { isAdmin, maySee, notFound, type Author } from '../../net/requester.ts'
import { writeAudit, type AuditEntry } from '../../store/audit.ts'
import type { WorkspaceTable } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import type { Exclusive } from './exclusive.ts'
import type { KeyRing } from './key-ring.ts'
import { budgetCounters } from './key-store.ts'
import { toIso } from './key-view.ts'

/** The workspace that is always there. */
export const defaultWorkspaceId = 'default'

/** A tenant: owner of keys, providers and all the rest. */
export type Workspace = Readonly<Selectable<WorkspaceTable>>

/** A workspace as the management API and the audit trail show it. */
export function toWorkspaceView({ id, name, createdAt, updatedAt }: Workspace) {
  return { id, name, createdAt: toIso(createdAt), updatedAt: toIso(updatedAt) }
}

/** What workspaces need. */
export interface WorkspacesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly ring: KeyRing
  readonly counters: Counters
  /** Shared with the changes of keys. */
  readonly exclusively: Exclusive
  /** Hears of every workspace whose keys are gone, once the change is effective. */
  readonly onChange: (workspaceId: string) => void
}

/** The workspaces, in memory as in the store. */
export interface Workspaces {
  /**
   * The workspace a request is about: the key’s own, or for an admin any other. Throws `not_found` for everybody
   * else’s, and when there is none of that id.
   */
  choose(principal: Principal, asked: string | undefined): string
  /** Those the key may know of, oldest first. */
  list(principal: Principal): Workspace[]
  /** Throws `not_found`. */
  get(principal: Principal, id: string): Workspace
  create(author: Author, name: string): Promise<Workspace>
  /** Throws `not_found`. */
  rename(author: Author, id: string, name: string): Promise<Workspace>
  /** Deletes a workspace with all it owns; its keys fail from the next request on. Throws `not_found`, `conflict` for `default`. */
  remove(author: Author, id: string): Promise<void>
}

/** Reads the workspaces into memory. */
export async function openWorkspaces(deps: WorkspacesDeps): Promise<Workspaces> {
  const { store, clock, exclusively } = deps
  const rows = await store.db.selectFrom('workspaces').selectAll().orderBy('createdAt').execute()
  const byId = new Map<string, Workspace>(rows.map((row) => [row.id, row]))

  function require(id: string): Workspace {
    const workspace = byId.get(id)
    if (!workspace) throw notFound('workspace')
    return workspace
  }

  function get(principal: Principal, id: string): Workspace {
    if (!maySee(principal, id)) throw notFound('workspace')
    return require(id)
  }

  return {
    choose: (principal, asked) => get(principal, asked ?? principal.workspaceId).id,
    list: (principal) =>
      isAdmin(principal) ? [...byId.values()] : [require(principal.workspaceId)],
    get,
    create: (author, name) =>
      exclusively(async () => {
        const now = clock.now()
        const after = { id: newId('ws'), name, createdAt: now, updatedAt: now }
        await store.db.transaction().execute(async (trx) => {
          await trx.insertInto('workspaces').values(after).execute()
          await writeAudit(trx, entry(author, 'workspace.create', { after }))
        })
        byId.set(after.id, after)
        return after
      }),
    rename: (author, id, name) =>
      exclusively(async () => {
        const before = require(id)
        const after = { ...before, name, updatedAt: clock.now() }
        await store.db.transaction().execute(async (trx) => {
          await trx.updateTable('workspaces').set(after).where('id', '=', id).execute()
          await writeAudit(trx, entry(author, 'workspace.update', { before, after }))
        })
        byId.set(id, after)
        return after
      }),
    remove: (author, id) =>
      exclusively(async () => {
        const before = require(id)
        if (id === defaultWorkspaceId) {
          throw new AppError('conflict', 'The default workspace cannot be deleted.')
        }
        await store.db.transaction().execute(async (trx) => {
          await trx.deleteFrom('workspaces').where('id', '=', id).execute()
          await writeAudit(trx, entry(author, 'workspace.delete', { before }))
        })
        byId.delete(id)
        await dropKeys(deps, id)
      }),
  }
}

async function dropKeys({ ring, counters, onChange }: WorkspacesDeps, id: string): Promise<void> {
  const keys = [...ring.all()].filter(({ workspaceId }) => workspaceId === id)
  const names = budgetCounters(keys)
  for (const key of keys) if (!key.removed) ring.remove(key)
  await counters.forget(names)
  onChange(id)
}

// What happens to a workspace is filed with the default one: the trail of a deleted workspace cannot be asked for.
function entry(
  { actor, requestId, ip }: Author,
  action: string,
  { before, after }: { readonly before?: Workspace; readonly after?: Workspace },
): AuditEntry {
  return {
    workspaceId: defaultWorkspaceId,
    actor,
    action,
    targetType: 'workspace',
    targetId: ((after ?? before) as Workspace).id,
    before: before && toWorkspaceView(before),
    after: after && toWorkspaceView(after),
    requestId,
    ip,
  }
}
