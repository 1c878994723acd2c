import type { Kysely, Transaction } from 'kysely'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Schema } from '../../../store/schema.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { requireUnchanged } from '../catalogue/catalogue-change.ts'
import type { ChangeRecord } from '../catalogue/catalogue-change.ts'
import { toAlias } from '../catalogue/catalogue-rows.ts'
import type { ProviderRow } from '../catalogue/catalogue-rows.ts'
import { auditableDraft, closeDraft, openDraft } from './provider-draft.ts'
import type { ProviderDraft } from './provider-draft.ts'

/** Writes rows of providers inside a transaction; each method returns what belongs into the audit trail. */
export interface ProviderWrites {
  /** Throws `conflict` where the name or the id is taken. */
  insert(
    trx: Transaction<Schema>,
    provider: { id: string; workspaceId: string; draft: ProviderDraft },
  ): Promise<ChangeRecord>
  /** Replaces `row` by what `edit` makes of it. Throws `conflict` where the name is taken or the row changed meanwhile. */
  update(
    trx: Transaction<Schema>,
    row: ProviderRow,
    edit: (before: ProviderDraft) => ProviderDraft,
  ): Promise<ChangeRecord>
  remove(trx: Transaction<Schema>, row: ProviderRow): Promise<ChangeRecord>
}

/** Creates the writer. */
export function createProviderWrites(deps: { secretBox: SecretBox; clock: Clock }): ProviderWrites {
  const { clock, secretBox } = deps
  return {
    async insert(trx, { id, workspaceId, draft }) {
      await requireFreeName(trx, { id, workspaceId, name: draft.name })
      const now = clock.now()
      const columns = closeDraft(id, draft, secretBox)
      await trx
        .insertInto('providers')
        .values({ ...columns, id, workspaceId, createdAt: now, updatedAt: now })
        .execute()
      return { ...recordOf('create', id), after: auditableDraft(draft) }
    },
    async update(trx, row, edit) {
      const before = openDraft(row, secretBox)
      const after = edit(before)
      await requireFreeName(trx, { id: row.id, workspaceId: row.workspaceId, name: after.name })
      // Strictly later than before, because it tells versions apart.
      const updatedAt = Math.max(clock.now(), row.updatedAt + 1)
      const { numUpdatedRows } = await trx
        .updateTable('providers')
        .set({ ...closeDraft(row.id, after, secretBox), updatedAt })
        .where('id', '=', row.id)
        .where('updatedAt', '=', row.updatedAt)
        .executeTakeFirst()
      requireUnchanged(numUpdatedRows)
      return {
        ...recordOf('update', row.id),
        before: auditableDraft(before),
        after: auditableDraft(after),
      }
    },
    async remove(trx, row) {
      await trx.deleteFrom('providers').where('id', '=', row.id).execute()
      const { name, kind, baseUrl } = row
      return { ...recordOf('delete', row.id), before: { name, kind, baseUrl } }
    },
  }
}

/** A provider's row by id, of whatever workspace. */
export function findProviderRow(db: Kysely<Schema>, id: string): Promise<ProviderRow | undefined> {
  return db.selectFrom('providers').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The providers of a workspace, oldest first. */
export function listProviderRows(db: Kysely<Schema>, workspaceId: string): Promise<ProviderRow[]> {
  return db
    .selectFrom('providers')
    .selectAll()
    .where('workspaceId', '=', workspaceId)
    .orderBy('createdAt')
    .orderBy('id')
    .execute()
}

/** Throws `conflict`, naming them, while aliases have the provider among their targets. */
export async function requireUnused(trx: Transaction<Schema>, row: ProviderRow): Promise<void> {
  const aliases = await trx
    .selectFrom('aliases')
    .selectAll()
    .where('workspaceId', '=', row.workspaceId)
    .execute()
  const names = aliases
    .map(toAlias)
    .filter(({ targets }) => targets.some(({ providerId }) => providerId === row.id))
    .map(({ name }) => `"${name}"`)
  if (names.length === 0) return
  throw new AppError('conflict', `The provider is used by the aliases ${names.join(', ')}.`, {
    hint: 'Change them first, or delete with ?force=true; they lose that target.',
  })
}

async function requireFreeName(
  trx: Transaction<Schema>,
  { id, workspaceId, name }: { id: string; workspaceId: string; name: string },
): Promise<void> {
  const other = await trx
    .selectFrom('providers')
    .select('id')
    .where('workspaceId', '=', workspaceId)
    .where('name', '=', name)
    .where('id', '!=', id)
    .executeTakeFirst()
  if (other !== undefined) throw new AppError('conflict', `There is a provider "${name}" already.`)
}

function recordOf(
  verb: 'create' | 'update' | 'delete',
  id: string,
): Pick<ChangeRecord, 'action' | 'targetType' | 'targetId'> {
  return { action: `provider.${verb}`, targetType: 'provider', targetId: id }
}
