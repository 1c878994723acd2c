import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import { hasScope } from '../../../lib/principal.ts'
import { maySee, notFound, type Requester } from '../../../net/requester.ts'
import type {
  NewProvider,
  ProviderChange,
  ProviderReport,
  ProviderView,
} from '../../../protocol/api/providers.ts'
import type { Store } from '../../../store/store.ts'
import type { ChangeCatalogue } from '../catalogue/catalogue-change.ts'
import type { ProviderRow } from '../catalogue/catalogue-rows.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Cooldown } from '../routing/cooldown.ts'
import { checkProvider } from './provider-check.ts'
import type { ProbeProvider } from './provider-check.ts'
import { changeDraft, draftNewProvider, isSameOrigin } from './provider-draft.ts'
import { isBuiltin, viewBuiltin, viewProvider } from './provider-view.ts'
import { findProviderRow, listProviderRows, requireUnused } from './provider-writes.ts'
import type { ProviderWrites } from './provider-writes.ts'

/** What the administration of providers works on. */
export interface ProviderAdministrationDeps {
  readonly store: Store
  readonly catalogue: Catalogue
  readonly change: ChangeCatalogue
  readonly writes: ProviderWrites
  readonly cooldown: Cooldown
  readonly probe: ProbeProvider
}

type View = z.output<typeof ProviderView>
type NewBody = z.output<typeof NewProvider>
type ChangeBody = z.output<typeof ProviderChange>
type Report = z.output<typeof ProviderReport>

/** The management of providers. A foreign or unknown id is `not_found`; the built-in provider can only be read and checked. */
export interface ProviderAdministration {
  /** The providers of a workspace, the built-in one first. */
  list(workspaceId: string): Promise<View[]>
  get(requester: Requester, id: string): Promise<View>
  /** Throws `conflict` for a taken name, `reserved_name`, `invalid_request`, `destination_not_allowed`, `insufficient_scope`. */
  create(requester: Requester, workspaceId: string, body: NewBody): Promise<View>
  /** Throws as `create`. */
  update(requester: Requester, id: string, body: ChangeBody): Promise<View>
  /** Throws `conflict` while aliases use the provider, unless forced. */
  remove(requester: Requester, id: string, force: boolean): Promise<void>
  /** Asks the provider for its models. */
  check(requester: Requester, id: string): Promise<Report>
}

/** Creates the management of providers. */
export function createProviderAdministration(
  deps: ProviderAdministrationDeps,
): ProviderAdministration {
  const { catalogue, change, cooldown, store, writes } = deps

  async function require({ principal }: Requester, id: string): Promise<ProviderRow> {
    const row = await findProviderRow(store.db, id)
    if (row === undefined || !maySee(principal, row.workspaceId)) throw notFound('provider')
    return row
  }

  function view(row: ProviderRow): View {
    const live = catalogue.workspace(row.workspaceId).providers.get(row.id)
    return viewProvider(row, live, cooldown)
  }

  return {
    async list(workspaceId) {
      const rows = await listProviderRows(store.db, workspaceId)
      return [...viewBuiltin(catalogue, workspaceId), ...rows.map(view)]
    },
    async get(requester, id) {
      if (!isBuiltin(id)) return view(await require(requester, id))
      const [builtin] = viewBuiltin(catalogue, requester.principal.workspaceId)
      if (builtin === undefined) throw notFound('provider')
      return builtin
    },
    async create(requester, workspaceId, body) {
      if (body.allowPrivate) requireAdmin(requester)
      const id = newId('prov')
      const draft = draftNewProvider(body)
      await change(workspaceId, requester, async (trx) => [
        await writes.insert(trx, { id, workspaceId, draft }),
      ])
      return view(await require(requester, id))
    },
    async update(requester, id, body) {
      refuseBuiltin(id)
      const { workspaceId } = await require(requester, id)
      await change(workspaceId, requester, async (trx) => {
        const row = await findProviderRow(trx, id)
        if (row === undefined) throw notFound('provider')
        if (givesPrivateLeave(row, body)) requireAdmin(requester)
        return [await writes.update(trx, row, (before) => changeDraft(before, body))]
      })
      return view(await require(requester, id))
    },
    async remove(requester, id, force) {
      refuseBuiltin(id)
      const row = await require(requester, id)
      await change(row.workspaceId, requester, async (trx) => {
        if (!force) await requireUnused(trx, row)
        return [await writes.remove(trx, row)]
      })
    },
    async check(requester, id) {
      const { workspaceId } = isBuiltin(id) ? requester.principal : await require(requester, id)
      const provider = catalogue.workspace(workspaceId).providers.get(id)
      if (provider === undefined) throw notFound('provider')
      return checkProvider(provider, deps.probe)
    },
  }
}

/** Saying again what is so already is nobody's to refuse. */
function givesPrivateLeave(row: ProviderRow, { allowPrivate, baseUrl }: ChangeBody): boolean {
  const staysHere = baseUrl === undefined || isSameOrigin(baseUrl, row.baseUrl)
  return allowPrivate === true && !(row.allowPrivate === 1 && staysHere)
}

/** Leave to reach private addresses opens the network behind the gateway, so it is not a workspace's own to give. */
function requireAdmin({ principal }: Requester): void {
  if (hasScope(principal, 'admin')) return
  throw new AppError('insufficient_scope', 'Setting allowPrivate needs the scope admin.')
}

function refuseBuiltin(id: string): void {
  if (!isBuiltin(id)) return
  throw new AppError('conflict', 'The built-in provider cannot be changed.', {
    hint: 'Set models.builtinProvider to false in the configuration to be without it.',
  })
}
