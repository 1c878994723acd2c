import type { Config } from '../../../config/schema.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { createBuiltinProvider } from './builtin-provider.ts'
import { toAlias, toProvider } from './catalogue-rows.ts'
import type { AliasRow, ProviderRow } from './catalogue-rows.ts'
import type { Alias, Provider } from './provider.ts'
import { createResolver } from './resolve.ts'
import type { Resolver } from './resolve.ts'

/** One workspace, compiled. Never changes; a later state is another object. */
export interface WorkspaceCatalogue {
  /** By id; disabled ones and the built-in one included. */
  readonly providers: ReadonlyMap<string, Provider>
  /** By id; disabled ones included. */
  readonly aliases: ReadonlyMap<string, Alias>
  readonly resolver: Resolver
}

/** The rows that make up a workspace. */
export interface WorkspaceRows {
  readonly providers: readonly ProviderRow[]
  readonly aliases: readonly AliasRow[]
}

/** Compiles a workspace; health lives on from its previous state. */
export type CompileWorkspace = (
  rows: WorkspaceRows,
  previous: WorkspaceCatalogue | undefined,
) => WorkspaceCatalogue

/** Prepares the compilation of workspaces. All of them share one built-in provider. */
export function createWorkspaceCompiler(
  deps: { secretBox: SecretBox; log: Log },
  config: Live<Config['models']>,
): CompileWorkspace {
  const { secretBox, log } = deps
  const builtin = createBuiltinProvider()

  return (rows, previous) => {
    const providers = new Map<string, Provider>()
    if (config().builtinProvider) providers.set(builtin.id, builtin)
    for (const row of rows.providers) {
      const provider = toUsableProvider(row, previous?.providers.get(row.id))
      if (provider !== undefined) providers.set(row.id, provider)
    }
    const aliases = new Map(rows.aliases.map((row) => [row.id, toAlias(row)]))
    const resolver = createResolver({
      providers: providers.values(),
      aliases: aliases.values(),
      anyProviderFallback: config().anyProviderFallback,
    })
    return Object.freeze({ providers, aliases, resolver })
  }

  /** One provider whose secrets do not open, e.g. after its master key was lost, must not take the others down. */
  function toUsableProvider(row: ProviderRow, previous: Provider | undefined) {
    try {
      return toProvider(row, { secretBox, timeouts: config().timeouts, previous })
    } catch (err) {
      log.error({ err, providerId: row.id }, 'provider cannot be read and is left out')
      return undefined
    }
  }
}

/** An enabled provider by id, else by name. */
export function findProvider(
  { providers }: WorkspaceCatalogue,
  idOrName: string,
): Provider | undefined {
  const byId = providers.get(idOrName)
  if (byId !== undefined) return byId.enabled ? byId : undefined
  for (const provider of providers.values()) {
    if (provider.name === idOrName && provider.enabled) return provider
  }
  return undefined
}
