import type { Transaction } from 'kysely'
import { AppError } from '../../../lib/errors.ts'
import type { Author } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { Schema } from '../../../store/schema.ts'
import type { Store } from '../../../store/store.ts'
import type { Catalogue } from './catalogue.ts'

/** What a change leaves in the audit trail. Values carry no secrets. */
export interface ChangeRecord {
  readonly action: string
  readonly targetType: 'provider' | 'alias'
  readonly targetId: string
  readonly before?: unknown
  readonly after?: unknown
}

/** Writes rows of providers and aliases, and tells what it did. */
type ChangeWork = (trx: Transaction<Schema>) => Promise<readonly ChangeRecord[]>

/** Changes the catalogue of a workspace; whoever awaits it finds the change durable, audited and effective. */
export type ChangeCatalogue = (
  workspaceId: string,
  author: Author,
  work: ChangeWork,
) => Promise<void>

/** Makes every change one transaction together with its audit rows, followed by a reload. A failure of either leaves nothing behind. */
export function createCatalogueChange(deps: {
  store: Store
  catalogue: Catalogue
}): ChangeCatalogue {
  const { store, catalogue } = deps
  return async (workspaceId, { actor, requestId, ip }, work) => {
    await store.db.transaction().execute(async (trx) => {
      for (const record of await work(trx)) {
        await writeAudit(trx, { ...record, workspaceId, actor, requestId, ip })
      }
    })
    await catalogue.reload(workspaceId)
  }
}

/** Throws `conflict` where an update met a row that somebody else had changed or deleted since it was read. */
export function requireUnchanged(updatedRows: bigint): void {
  if (updatedRows > 0n) return
  throw new AppError('conflict', 'It was changed by somebody else in the meantime.', {
    hint: 'Read it again and repeat the change.',
  })
}
