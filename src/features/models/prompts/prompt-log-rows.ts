import type { Kysely, Selectable } from 'kysely'
import type { Author } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { PromptLogTable, Schema } from '../../../store/schema.ts'

/** One logged exchange. */
export type PromptRow = Selectable<PromptLogTable>

/** Whose exchanges are meant, and which of them. */
export type PromptMatch = Pick<PromptRow, 'workspaceId'> &
  Partial<Pick<PromptRow, 'keyId' | 'model' | 'requestId'>>

/** The newest matching rows, at most `rowsMax`; below the id `before` where one is given. */
export async function readPrompts(
  db: Kysely<Schema>,
  match: PromptMatch,
  { before, rowsMax }: { before: number | undefined; rowsMax: number },
): Promise<PromptRow[]> {
  const rows = db
    .selectFrom('promptLog')
    .selectAll()
    .where((eb) => eb.and(match))
    .orderBy('id', 'desc')
    .limit(rowsMax)
  return before === undefined ? rows.execute() : rows.where('id', '<', before).execute()
}

/** Deletes the matching rows, together with an audit row that says so. Returns how many there were. */
export async function deletePrompts(
  db: Kysely<Schema>,
  match: PromptMatch,
  { actor, requestId, ip }: Author,
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const result = await trx
      .deleteFrom('promptLog')
      .where((eb) => eb.and(match))
      .executeTakeFirst()
    const deleted = Number(result.numDeletedRows)
    await writeAudit(trx, {
      workspaceId: match.workspaceId,
      actor,
      action: 'prompts.delete',
      targetType: 'prompts',
      targetId: match.keyId ?? '',
      before: { rows: deleted },
      requestId,
      ip,
    })
    return deleted
  })
}
