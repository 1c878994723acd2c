import type { Transaction } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import { notFound } from '../../../net/requester.ts'
import type { Requester } from '../../../net/requester.ts'
import type { ReverseProxyChange } from '../../../protocol/api/reverse-proxy.ts'
import type { ServiceChange, ServiceReplacement } from '../../../protocol/api/services.ts'
import type { Schema } from '../../../store/schema.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { forgetMember, renameMember, requireUnused } from './bundle-members.ts'
import { freeName, requireFree } from './free-names.ts'
import { changeReverseProxyDraft } from './reverse-proxy-draft.ts'
import type { ChangeRecord } from './service-change.ts'
import { requireUnchanged } from './service-change.ts'
import type { ManagedDirectory } from './service-directory.ts'
import { changeDraft, replaceDraft } from './service-draft.ts'
import { requireRights } from './service-rights.ts'
import { auditableDraft, closeDraft, openDraft, openWithoutSecrets } from './service-rows.ts'
import type { DesiredState, ServiceDraft, ServiceRow, StoredService } from './service-rows.ts'

/** What the writer works on. */
export interface ServiceWritesDeps {
  readonly directory: ManagedDirectory
  readonly secretBox: SecretBox
  readonly clock: Clock
}

/** How a service is changed. */
export type ServiceEdit =
  | { readonly kind: 'replace'; readonly body: z.output<typeof ServiceReplacement> }
  | { readonly kind: 'change'; readonly body: z.output<typeof ServiceChange> }
  | { readonly kind: 'reverse-proxy'; readonly body: z.output<typeof ReverseProxyChange> }

/** A service that is about to be. */
interface ServiceToBe {
  readonly id: string
  readonly workspaceId: string
  readonly desiredState: DesiredState
  readonly draft: ServiceDraft
}

/** What somebody had done to a service by hand. */
export type RunVerb = 'start' | 'stop' | 'restart'

/** Writes rows of services inside a transaction of `ChangeServices`; each method returns what belongs into the audit trail. */
export interface ServiceWrites {
  /** Throws `conflict` for a taken name or path, `insufficient_scope`. */
  insert(
    trx: Transaction<Schema>,
    requester: Requester,
    service: ServiceToBe,
  ): Promise<ChangeRecord[]>
  /** Throws as `insert`, and what the edit throws. */
  update(
    trx: Transaction<Schema>,
    requester: Requester,
    change: { readonly service: StoredService; readonly edit: ServiceEdit },
  ): Promise<ChangeRecord[]>
  /** Throws `conflict` while bundles have it as a member, unless forced. */
  remove(trx: Transaction<Schema>, service: StoredService, force: boolean): Promise<ChangeRecord[]>
  noteRun(trx: Transaction<Schema>, service: StoredService, verb: RunVerb): Promise<ChangeRecord[]>
}

/** Creates the writer. */
export function createServiceWrites({
  directory,
  secretBox,
  clock,
}: ServiceWritesDeps): ServiceWrites {
  return {
    async insert(trx, requester, { draft, ...place }) {
      requireRights(requester, undefined, draft)
      requireFree(directory, { ...place, draft })
      const now = clock.now()
      const columns = closeDraft(place.id, draft, secretBox)
      await trx
        .insertInto('services')
        .values({ ...columns, ...place, createdAt: now, updatedAt: now })
        .execute()
      return [{ ...recordOf('create', place.id), after: auditableDraft(draft) }]
    },
    async update(trx, requester, { service, edit }) {
      const { id, workspaceId } = service
      const row = await readRow(trx, id)
      const before = service.isReadable ? openDraft(row, secretBox) : openWithoutSecrets(row)
      const after = applyEdit(directory, { id, workspaceId, before }, edit)
      requireRights(requester, before, after)
      requireFree(directory, { id, workspaceId, draft: after })
      const { numUpdatedRows } = await trx
        .updateTable('services')
        // Strictly later than before, because it tells versions apart.
        .set({
          ...closeDraft(id, after, secretBox),
          updatedAt: Math.max(clock.now(), row.updatedAt + 1),
        })
        .where('id', '=', id)
        .where('updatedAt', '=', row.updatedAt)
        .executeTakeFirst()
      requireUnchanged(numUpdatedRows)
      const drafts = { before: auditableDraft(before), after: auditableDraft(after) }
      const names = { from: before.settings.name, to: after.settings.name }
      const renamed = await renameMember(trx, directory.bundles(workspaceId), names)
      return [{ ...recordOf('update', id), ...drafts }, ...renamed]
    },
    async remove(trx, { id, workspaceId, name, settings }, force) {
      const bundles = directory.bundles(workspaceId)
      if (!force) requireUnused(bundles, name)
      const { numDeletedRows } = await trx
        .deleteFrom('services')
        .where('id', '=', id)
        .executeTakeFirst()
      if (numDeletedRows === 0n) throw notFound('service')
      const shortened = await forgetMember(trx, bundles, name)
      return [{ ...recordOf('delete', id), before: settings }, ...shortened]
    },
    async noteRun(trx, { id, desiredState: before }, verb) {
      const after = verb === 'stop' ? 'stopped' : 'started'
      await trx.updateTable('services').set({ desiredState: after }).where('id', '=', id).execute()
      const states = { before: { desiredState: before }, after: { desiredState: after } }
      return [{ ...recordOf(verb, id), ...states }]
    },
  }
}

async function readRow(trx: Transaction<Schema>, id: string): Promise<ServiceRow> {
  const query = trx.selectFrom('services').selectAll().where('id', '=', id)
  const row = await query.executeTakeFirst()
  if (row === undefined) throw notFound('service')
  return row
}

function applyEdit(
  directory: ManagedDirectory,
  { id, workspaceId, before }: { id: string; workspaceId: string; before: ServiceDraft },
  edit: ServiceEdit,
): ServiceDraft {
  switch (edit.kind) {
    case 'replace':
      return replaceDraft(before, edit.body)
    case 'change':
      return changeDraft(before, edit.body)
    case 'reverse-proxy': {
      const { name: title } = edit.body
      const isRenamed = title !== undefined && title !== before.origin?.title
      const name = isRenamed
        ? freeName(directory, { id, workspaceId }, title)
        : before.settings.name
      return changeReverseProxyDraft(before, edit.body, name)
    }
  }
}

function recordOf(
  verb: 'create' | 'update' | 'delete' | 'start' | 'stop' | 'restart',
  id: string,
): Pick<ChangeRecord, 'action' | 'targetType' | 'targetId'> {
  return { action: `service.${verb}`, targetType: 'service', targetId: id }
}
