import type { z } from 'zod'
import { newId } from '../../../lib/ids.ts'
import { maySee, notFound, type Requester } from '../../../net/requester.ts'
import type { AliasChange, AliasView, NewAlias } from '../../../protocol/api/aliases.ts'
import type { Store } from '../../../store/store.ts'
import { findAliasRow } from './alias-writes.ts'
import type { AliasWrites } from './alias-writes.ts'
import type { ChangeCatalogue } from '../catalogue/catalogue-change.ts'
import { toAlias } from '../catalogue/catalogue-rows.ts'
import type { AliasRow } from '../catalogue/catalogue-rows.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'

/** What the administration of aliases works on. */
export interface AliasAdministrationDeps {
  readonly store: Store
  readonly catalogue: Catalogue
  readonly change: ChangeCatalogue
  readonly writes: AliasWrites
}

type View = z.output<typeof AliasView>
type NewBody = z.output<typeof NewAlias>
type ChangeBody = z.output<typeof AliasChange>

/** The management of aliases. A foreign or unknown id is `not_found`. */
export interface AliasAdministration {
  /** The aliases of a workspace, by name. */
  list(workspaceId: string): Promise<View[]>
  get(requester: Requester, id: string): Promise<View>
  /** Throws `conflict` for a taken name, `invalid_request` for targets that do not exist. */
  create(requester: Requester, workspaceId: string, body: NewBody): Promise<View>
  /** Throws as `create`. */
  update(requester: Requester, id: string, body: ChangeBody): Promise<View>
  remove(requester: Requester, id: string): Promise<void>
}

/** Creates the management of aliases. */
export function createAliasAdministration(deps: AliasAdministrationDeps): AliasAdministration {
  const { catalogue, change, store, writes } = deps

  async function require({ principal }: Requester, id: string): Promise<AliasRow> {
    const row = await findAliasRow(store.db, id)
    if (row === undefined || !maySee(principal, row.workspaceId)) throw notFound('alias')
    return row
  }

  const view = (row: AliasRow): View => viewAlias(row, catalogue)

  return {
    async list(workspaceId) {
      const rows = await store.db
        .selectFrom('aliases')
        .selectAll()
        .where('workspaceId', '=', workspaceId)
        .orderBy('name')
        .execute()
      return rows.map(view)
    },
    get: async (requester, id) => view(await require(requester, id)),
    async create(requester, workspaceId, body) {
      const id = newId('alias')
      await change(workspaceId, requester, async (trx) => [
        await writes.insert(trx, { id, workspaceId }, body),
      ])
      return view(await require(requester, id))
    },
    async update(requester, id, body) {
      const { workspaceId } = await require(requester, id)
      await change(workspaceId, requester, async (trx) => {
        const row = await findAliasRow(trx, id)
        if (row === undefined) throw notFound('alias')
        return [await writes.update(trx, row, body)]
      })
      return view(await require(requester, id))
    },
    async remove(requester, id) {
      const row = await require(requester, id)
      await change(row.workspaceId, requester, async (trx) => [await writes.remove(trx, row)])
    },
  }
}

function viewAlias(row: AliasRow, catalogue: Catalogue): View {
  const alias = toAlias(row)
  const { providers } = catalogue.workspace(row.workspaceId)
  const isUsable = (id: string): boolean => providers.get(id)?.enabled === true
  return {
    id: alias.id,
    workspaceId: alias.workspaceId,
    name: alias.name,
    targets: alias.targets.map(({ providerId, model, weight, priority }) => ({
      providerId,
      provider: providers.get(providerId)?.name ?? null,
      model,
      weight,
      priority,
    })),
    enabled: alias.enabled,
    resolves: alias.enabled && alias.targets.some(({ providerId }) => isUsable(providerId)),
    createdAt: new Date(alias.createdAt).toISOString(),
    updatedAt: new Date(alias.updatedAt).toISOString(),
  }
}
