import type { Transaction } from 'kysely'
import { AppError } from '../../../lib/errors.ts'
import type { Schema } from '../../../store/schema.ts'
import { builtinProviderName } from '../catalogue/builtin-provider.ts'
import type { ChangeRecord } from '../catalogue/catalogue-change.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { changeDraft, draftNewProvider } from '../administration/provider-draft.ts'
import type { ProviderDraft } from '../administration/provider-draft.ts'
import { findProviderRow } from '../administration/provider-writes.ts'
import type { ProviderWrites } from '../administration/provider-writes.ts'
import { isMask, maskedKey } from './settings-list.ts'
import type { SettingsItem } from './settings-list.ts'

/** What writing items needs. */
export interface SettingsItemsDeps {
  readonly catalogue: Catalogue
  readonly writes: ProviderWrites
}

const nameCharsMax = 100

/**
 * Writes the items of one POST: makes, changes or (empty `setting`) deletes the provider of each id.
 * Throws what the drafts of providers throw, and `conflict` for an id of another workspace.
 */
export async function writeSettingsItems(
  deps: SettingsItemsDeps,
  trx: Transaction<Schema>,
  { workspaceId, items }: { workspaceId: string; items: readonly SettingsItem[] },
): Promise<ChangeRecord[]> {
  const records: ChangeRecord[] = []
  for (const [index, item] of items.entries()) {
    const record = await writeItem(deps, trx, { workspaceId, item }).catch((error: unknown) => {
      throw at(index, error)
    })
    if (record !== undefined) records.push(record)
  }
  return records
}

async function writeItem(
  { catalogue, writes }: SettingsItemsDeps,
  trx: Transaction<Schema>,
  { workspaceId, item }: { workspaceId: string; item: SettingsItem },
): Promise<ChangeRecord | undefined> {
  const row = await findProviderRow(trx, item.id)
  if (item.id === builtinProviderName || (row !== undefined && row.workspaceId !== workspaceId)) {
    throw new AppError('conflict', 'This id is not available.', { param: 'id' })
  }
  if (item.setting === '') return row && writes.remove(trx, row)
  const name = await freeName(trx, workspaceId, item)
  const fields = {
    name,
    baseUrl: item.endpoint,
    enabled: item.enabled,
    models: item.models,
  }
  const live = catalogue.workspace(workspaceId).providers.get(item.id)
  const keepsKey = row !== undefined && item.apiKey === maskedKey(row, live)
  if (!keepsKey && isMask(item.apiKey)) {
    throw new AppError('invalid_request', 'This is a mask, not a key.', { param: 'apiKey' })
  }
  if (row === undefined) {
    const draft = draftNewProvider({ ...blank, ...fields, apiKey: item.apiKey })
    return writes.insert(trx, { id: item.id, workspaceId, draft: withSettingsName(draft, item) })
  }
  const change = keepsKey ? fields : { ...fields, apiKey: item.apiKey }
  return writes.update(trx, row, (before) => withSettingsName(changeDraft(before, change), item))
}

/** What the contract has no field for. */
const blank = {
  kind: 'openai',
  headers: {},
  weight: 1,
  priority: 0,
  prices: {},
  timeouts: {},
  options: {},
  allowPrivate: false,
} as const

/** Items may be called alike, providers may not: a later one gets a number. */
async function freeName(
  trx: Transaction<Schema>,
  workspaceId: string,
  item: SettingsItem,
): Promise<string> {
  const others = await trx
    .selectFrom('providers')
    .select('name')
    .where('workspaceId', '=', workspaceId)
    .where('id', '!=', item.id)
    .execute()
  const taken = new Set([builtinProviderName, ...others.map(({ name }) => name.toLowerCase())])
  const wanted = cleanName(item.name) || 'unnamed'
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? wanted : `${wanted} (${count})`
    if (!taken.has(name.toLowerCase())) return name
  }
}

function cleanName(name: string): string {
  return name
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, nameCharsMax)
}

function withSettingsName(draft: ProviderDraft, { name }: SettingsItem): ProviderDraft {
  const settingsName = name === draft.name ? undefined : name
  return { ...draft, options: { ...draft.options, settingsName } }
}

/** Says which element of the POST an error is about. */
function at(index: number, error: unknown): unknown {
  if (!(error instanceof AppError)) return error
  const field = error.code === 'destination_not_allowed' ? 'endpoint' : error.details.param
  const path = field === undefined ? String(index) : `${index}.${field}`
  const hint =
    error.code === 'destination_not_allowed'
      ? ' An administrator can allow it with allowPrivate at /api/providers.'
      : ''
  return new AppError(error.code, error.message, {
    cause: error,
    issues: [{ path, message: error.message + hint }],
  })
}
