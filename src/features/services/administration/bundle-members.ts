import type { Transaction } from 'kysely'
import { AppError } from '../../../lib/errors.ts'
import type { BundleSettings } from '../../../protocol/api/services.ts'
import type { Schema } from '../../../store/schema.ts'
import type { Bundle } from '../service.ts'
import type { ChangeRecord } from './service-change.ts'

type Members = BundleSettings['members']

/** Throws `conflict`, naming them, while bundles have the service as a member. */
export function requireUnused(bundles: readonly Bundle[], service: string): void {
  const names = bundles
    .filter((bundle) => hasMember(bundle, service))
    .map(({ name }) => `"${name}"`)
  if (names.length === 0) return
  throw new AppError('conflict', `The service is a member of the bundles ${names.join(', ')}.`, {
    hint: 'Change them first, or delete with ?force=true; they lose it.',
  })
}

/** Lets bundles follow a service that may have got another name. */
export function renameMember(
  trx: Transaction<Schema>,
  bundles: readonly Bundle[],
  { from, to }: { readonly from: string; readonly to: string },
): Promise<ChangeRecord[]> {
  const following = from === to ? [] : bundles.filter((bundle) => hasMember(bundle, from))
  return editMembers(trx, following, (members) =>
    members.map((member) => (member.service === from ? { ...member, service: to } : member)),
  )
}

/** Takes a service that is gone out of its bundles. */
export function forgetMember(
  trx: Transaction<Schema>,
  bundles: readonly Bundle[],
  service: string,
): Promise<ChangeRecord[]> {
  return editMembers(
    trx,
    bundles.filter((bundle) => hasMember(bundle, service)),
    (members) => members.filter((member) => member.service !== service),
  )
}

async function editMembers(
  trx: Transaction<Schema>,
  bundles: readonly Bundle[],
  edit: (members: Members) => Members,
): Promise<ChangeRecord[]> {
  const records: ChangeRecord[] = []
  for (const { id, settings, updatedAt } of bundles) {
    const after = { ...settings, members: edit(settings.members) }
    await trx
      .updateTable('bundles')
      .set({ settingsJson: JSON.stringify(after), updatedAt: updatedAt + 1 })
      .where('id', '=', id)
      .execute()
    records.push({
      action: 'bundle.update',
      targetType: 'bundle',
      targetId: id,
      before: settings,
      after,
    })
  }
  return records
}

function hasMember({ settings }: Bundle, service: string): boolean {
  return settings.members.some((member) => member.service === service)
}
