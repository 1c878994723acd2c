import type { Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** One management change: who did what to which object. */
export interface AuditEntry {
  readonly workspaceId: string
  /** Key id of who did it, or `system`. */
  readonly actor: string
  /** e.g. `key.create`. */
  readonly action: string
  readonly targetType: string
  readonly targetId: string
  /** The object before and after, as JSON values; undefined when it did not exist. Secrets are masked by the caller. */
  readonly before?: unknown
  readonly after?: unknown
  readonly requestId: string
  readonly ip: string
  /** Epoch ms; the present when absent. */
  readonly at?: number
}

/** Writes the audit row of a change in the change's own transaction, so that neither is ever there without the other. */
export async function writeAudit(trx: Transaction<Schema>, entry: AuditEntry): Promise<void> {
  const { before, after, at = Date.now(), ...columns } = entry
  await trx
    .insertInto('audit')
    .values({ ...columns, at, beforeJson: toJson(before), afterJson: toJson(after) })
    .execute()
}

function toJson(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}
