import type { Kysely, Transaction } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import type { AliasChange, NewAlias } from '../../../protocol/api/aliases.ts'
import type { Schema } from '../../../store/schema.ts'
import { builtinProviderName } from '../catalogue/builtin-provider.ts'
import { requireUnchanged } from '../catalogue/catalogue-change.ts'
import type { ChangeRecord } from '../catalogue/catalogue-change.ts'
import { toAlias } from '../catalogue/catalogue-rows.ts'
import type { AliasRow } from '../catalogue/catalogue-rows.ts'
import { isWildcard } from '../catalogue/model-names.ts'
import type { AliasTarget } from '../catalogue/provider.ts'

type NewBody = z.output<typeof NewAlias>
type ChangeBody = z.output<typeof AliasChange>

/** Writes rows of aliases inside a transaction; each method returns what belongs into the audit trail. */
export interface AliasWrites {
  /** Throws `conflict` where the name is taken, `invalid_request` for targets that do not exist. */
  insert(
    trx: Transaction<Schema>,
    place: { id: string; workspaceId: string },
    body: NewBody,
  ): Promise<ChangeRecord>
  /** Throws as `insert`, and `conflict` where the row changed meanwhile. */
  update(trx: Transaction<Schema>, row: AliasRow, body: ChangeBody): Promise<ChangeRecord>
  remove(trx: Transaction<Schema>, row: AliasRow): Promise<ChangeRecord>
}

/** Creates the writer. */
export function createAliasWrites({ clock }: { clock: Clock }): AliasWrites {
  return {
    async insert(trx, { id, workspaceId }, { name, targets, enabled }) {
      const alias = { name, enabled, targets: await toTargets(trx, workspaceId, targets) }
      await requireValid(trx, { ...alias, id, workspaceId })
      const now = clock.now()
      const row = { ...toColumns(alias), id, workspaceId, createdAt: now, updatedAt: now }
      await trx.insertInto('aliases').values(row).execute()
      return { ...recordOf('create', id), after: alias }
    },
    async update(trx, row, { name, targets, enabled }) {
      const { id, workspaceId } = row
      const before = toAlias(row)
      const after = {
        name: name ?? before.name,
        enabled: enabled ?? before.enabled,
        targets: targets ? await toTargets(trx, workspaceId, targets) : before.targets,
      }
      await requireValid(trx, { ...after, id, workspaceId })
      const { numUpdatedRows } = await trx
        .updateTable('aliases')
        .set({ ...toColumns(after), updatedAt: Math.max(clock.now(), row.updatedAt + 1) })
        .where('id', '=', id)
        .where('updatedAt', '=', row.updatedAt)
        .executeTakeFirst()
      requireUnchanged(numUpdatedRows)
      return { ...recordOf('update', id), before, after }
    },
    async remove(trx, row) {
      await trx.deleteFrom('aliases').where('id', '=', row.id).execute()
      return { ...recordOf('delete', row.id), before: toAlias(row) }
    },
  }
}

/** An alias's row by id, of whatever workspace. */
export function findAliasRow(db: Kysely<Schema>, id: string): Promise<AliasRow | undefined> {
  return db.selectFrom('aliases').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Finds the providers that targets name, by id before name. */
async function toTargets(
  trx: Transaction<Schema>,
  workspaceId: string,
  given: NewBody['targets'],
): Promise<AliasTarget[]> {
  const rows = await trx
    .selectFrom('providers')
    .select(['id', 'name'])
    .where('workspaceId', '=', workspaceId)
    .execute()
  const idByName = new Map(rows.map(({ id, name }) => [name, id]))
  const ids = new Set([...rows.map(({ id }) => id), builtinProviderName])
  const issues: { path: string; message: string }[] = []
  const targets = given.map(({ provider, model, weight, priority }, index) => {
    const providerId = ids.has(provider) ? provider : idByName.get(provider)
    if (providerId === undefined) {
      issues.push({
        path: `targets.${index}.provider`,
        message: `there is no provider "${provider}"`,
      })
    }
    return { providerId: providerId ?? '', model, weight, priority }
  })
  if (issues.length === 0) return targets
  throw new AppError('invalid_request', 'A target names a provider that does not exist.', {
    issues,
  })
}

interface CheckedAlias {
  readonly id: string
  readonly workspaceId: string
  readonly name: string
  readonly targets: readonly AliasTarget[]
}

async function requireValid(trx: Transaction<Schema>, alias: CheckedAlias): Promise<void> {
  const { id, workspaceId, name, targets } = alias
  if (!isWildcard(name) && targets.some(({ model }) => isWildcard(model))) {
    throw new AppError('invalid_request', 'Only an alias that ends with * may have such targets.', {
      param: 'targets',
    })
  }
  const other = await trx
    .selectFrom('aliases')
    .select('id')
    .where('workspaceId', '=', workspaceId)
    .where('name', '=', name)
    .where('id', '!=', id)
    .executeTakeFirst()
  if (other !== undefined) throw new AppError('conflict', `There is an alias "${name}" already.`)
}

function toColumns(alias: Pick<CheckedAlias, 'name' | 'targets'> & { enabled: boolean }) {
  const { name, targets, enabled } = alias
  return { name, targetsJson: JSON.stringify(targets), enabled: Number(enabled) }
}

function recordOf(
  verb: 'create' | 'update' | 'delete',
  id: string,
): Pick<ChangeRecord, 'action' | 'targetType' | 'targetId'> {
  return { action: `alias.${verb}`, targetType: 'alias', targetId: id }
}
