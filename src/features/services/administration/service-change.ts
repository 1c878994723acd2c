import type { Transaction } from 'kysely'
import { AppError } from '../../../lib/errors.ts'
import type { Author } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { Schema } from '../../../store/schema.ts'
import type { Store } from '../../../store/store.ts'
import { createOneAtATime } from '../one-at-a-time.ts'
import type { ManagedDirectory } from './service-directory.ts'

/** What a change leaves in the audit trail. Values carry no secrets. */
export interface ChangeRecord {
  readonly action: string
  readonly targetType: 'service' | 'bundle'
  readonly targetId: string
  readonly before?: unknown
  readonly after?: unknown
}

/** Writes rows of services and bundles, and tells what it did. What it reads in the directory is as in the store. */
type ChangeWork = (trx: Transaction<Schema>) => Promise<readonly ChangeRecord[]>

/** Changes the services of a workspace; whoever awaits it finds the change durable, audited and effective. */
export type ChangeServices = (
  workspaceId: string,
  author: Author,
  work: ChangeWork,
) => Promise<void>

/** Makes every change one transaction together with its audit rows, followed by a reload; one change after the other. */
export function createServiceChange(deps: {
  readonly store: Store
  readonly directory: ManagedDirectory
}): ChangeServices {
  const { store, directory } = deps
  const inTurn = createOneAtATime()
  return (workspaceId, { actor, requestId, ip }, work) =>
    inTurn(async () => {
      await store.db.transaction().execute(async (trx) => {
        for (const record of await work(trx)) {
          await writeAudit(trx, { ...record, workspaceId, actor, requestId, ip })
        }
      })
      await directory.reload(workspaceId)
    })
}

/** Throws `conflict` where an update met a row that had been changed or deleted since it was read. */
export function requireUnchanged(updatedRows: bigint): void {
  if (updatedRows > 0n) return
  throw new AppError('conflict', 'It was changed by somebody else in the meantime.', {
    hint: 'Read it again and repeat the change.',
  })
}
