import type { z } from 'zod'
import type { ProviderView } from '../../../protocol/api/providers.ts'
import { builtinProviderName } from '../catalogue/builtin-provider.ts'
import type { ProviderRow } from '../catalogue/catalogue-rows.ts'
import { readColumns } from '../catalogue/catalogue-rows.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Cooldown } from '../routing/cooldown.ts'
import type { Credential, Provider } from '../catalogue/provider.ts'

type View = z.output<typeof ProviderView>

const charsToShowMin = 12

/** A stored provider as the management API shows it; `provider` is the live one, undefined where its secrets do not open. */
export function viewProvider(
  row: ProviderRow,
  provider: Provider | undefined,
  cooldown: Cooldown,
): View {
  const { headers, models, prices, timeouts, options } = readColumns(row)
  const { settingsName: _internal, ...shownOptions } = options
  return {
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    kind: row.kind as View['kind'],
    baseUrl: row.baseUrl,
    credentials: provider === undefined ? [] : viewCredentials(provider),
    headers,
    models: [...models],
    enabled: row.enabled === 1,
    weight: row.weight,
    priority: row.priority,
    prices,
    timeouts,
    options: shownOptions,
    allowPrivate: row.allowPrivate === 1,
    health: viewHealth(provider, cooldown),
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  }
}

/** The built-in provider as the management API shows it in a workspace; none where it is switched off. */
export function viewBuiltin(catalogue: Catalogue, workspaceId: string): View[] {
  const provider = catalogue.workspace(workspaceId).providers.get(builtinProviderName)
  if (provider === undefined) return []
  const { id, name, enabled, weight, priority } = provider
  const since = new Date(provider.createdAt).toISOString()
  return [
    {
      id,
      workspaceId,
      name,
      kind: 'builtin',
      baseUrl: '',
      credentials: [],
      headers: {},
      models: provider.models.map((model) => model.name),
      enabled,
      weight,
      priority,
      prices: { '*': { input: 0, output: 0 } },
      timeouts: {},
      options: {},
      allowPrivate: false,
      health: { state: 'ready', retryInMs: 0 },
      createdAt: since,
      updatedAt: since,
    },
  ]
}

/** Says whether an id or name means the built-in provider, which cannot be changed. */
export function isBuiltin(idOrName: string): boolean {
  return idOrName === builtinProviderName
}

/** The end of a secret, for recognising it; empty where that would be too much of it. */
export function lastFour(credential: Credential): string {
  const text = credential.secret?.reveal() ?? ''
  return text.length < charsToShowMin ? '' : text.slice(-4)
}

function viewCredentials({ credentials }: Provider): View['credentials'] {
  return credentials
    .filter(({ secret }) => secret !== null)
    .map((credential) => ({
      id: credential.id,
      label: credential.label,
      last4: lastFour(credential),
    }))
}

function viewHealth(provider: Provider | undefined, cooldown: Cooldown): View['health'] {
  if (provider === undefined) return { state: 'unreadable', retryInMs: 0 }
  if (!provider.enabled) return { state: 'disabled', retryInMs: 0 }
  const retryInMs = Math.ceil(cooldown.readyInMs(provider))
  return { state: retryInMs > 0 ? 'cooling' : 'ready', retryInMs }
}
