import type { Config } from '../../../config/schema.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Store } from '../../../store/store.ts'
import type { Provider } from './provider.ts'
import { resolveAt } from './resolve.ts'
import type { Resolution } from './resolve.ts'
import { createWorkspaceCompiler, findProvider } from './workspace-catalogue.ts'
import type { WorkspaceCatalogue, WorkspaceRows } from './workspace-catalogue.ts'

export type { Provider } from './provider.ts'
export type { Resolution, Target } from './resolve.ts'

/**
 * The providers and aliases of all workspaces, compiled for the data plane. Reading never waits and never touches the
 * store. A workspace is compiled anew as a whole and swapped, so a request sees either all of a change or nothing.
 */
export interface Catalogue {
  /** What a model name stands for in a workspace; undefined where it stands for nothing that is enabled. */
  resolve(workspaceId: string, name: string): Resolution | undefined
  /** As `resolve`, but only at one provider, which is sent the name itself where it does not list it. */
  resolveAt(workspaceId: string, provider: Provider, name: string): Resolution
  /** An enabled provider by id or name. */
  provider(workspaceId: string, idOrName: string): Provider | undefined
  /** The providers of all workspaces, but for the built-in one. */
  providers(): Provider[]
  /** Everything of a workspace at this moment. */
  workspace(workspaceId: string): WorkspaceCatalogue
  /** Reads a workspace from the store and swaps it in. Call it after each committed change; whoever awaits it sees that change. */
  reload(workspaceId: string): Promise<void>
  /** Reads everything again: after a change of the configuration. */
  reloadAll(): Promise<void>
  /** Calls back with each workspace that was swapped. Returns the function that ends it. */
  onChange(listener: (workspaceId: string) => void): () => void
}

const noRows: WorkspaceRows = { providers: [], aliases: [] }

/** Loads the catalogue. Rejects with `storage_failed` when the store does not answer. */
export async function openCatalogue(
  deps: { store: Store; secretBox: SecretBox; log: Log },
  config: Live<Config['models']>,
): Promise<Catalogue> {
  const { store } = deps
  const compile = createWorkspaceCompiler(deps, config)
  const listeners = new Set<(workspaceId: string) => void>()
  let empty = compile(noRows, undefined)
  let workspaces = new Map<string, WorkspaceCatalogue>()
  // Reloads run one after the other: a later one must never be overtaken by the older rows of an earlier one.
  let lastReload: Promise<void> = Promise.resolve()

  function afterLastReload(reload: () => Promise<void>): Promise<void> {
    const done = lastReload.then(reload)
    lastReload = done.catch(() => undefined)
    return done
  }

  async function load(workspaceId: string): Promise<void> {
    const rows = await readRows(store, workspaceId)
    if (rows.providers.length === 0 && rows.aliases.length === 0) workspaces.delete(workspaceId)
    else workspaces.set(workspaceId, compile(rows, workspaces.get(workspaceId)))
    announce(workspaceId)
  }

  async function loadAll(): Promise<void> {
    const byWorkspace = groupByWorkspace(await readRows(store))
    const compiled = new Map<string, WorkspaceCatalogue>()
    for (const [id, rows] of byWorkspace) compiled.set(id, compile(rows, workspaces.get(id)))
    const affected = new Set([...workspaces.keys(), ...compiled.keys()])
    empty = compile(noRows, undefined)
    workspaces = compiled
    affected.forEach(announce)
  }

  function announce(workspaceId: string): void {
    for (const listener of listeners) listener(workspaceId)
  }

  const workspace = (id: string): WorkspaceCatalogue => workspaces.get(id) ?? empty
  await afterLastReload(loadAll)
  return {
    resolve: (workspaceId, name) => workspace(workspaceId).resolver.resolve(name),
    resolveAt: (workspaceId, provider, name) =>
      resolveAt(workspace(workspaceId).resolver, provider, name),
    provider: (workspaceId, idOrName) => findProvider(workspace(workspaceId), idOrName),
    providers: () => [...workspaces.values()].flatMap(storedProviders),
    workspace,
    reload: (workspaceId) => afterLastReload(() => load(workspaceId)),
    reloadAll: () => afterLastReload(loadAll),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** The rows of one workspace, or of all, oldest first. */
async function readRows({ db }: Store, workspaceId?: string): Promise<WorkspaceRows> {
  const providers = db.selectFrom('providers').selectAll().orderBy('createdAt').orderBy('id')
  const aliases = db.selectFrom('aliases').selectAll().orderBy('createdAt').orderBy('id')
  if (workspaceId === undefined) {
    return { providers: await providers.execute(), aliases: await aliases.execute() }
  }
  return {
    providers: await providers.where('workspaceId', '=', workspaceId).execute(),
    aliases: await aliases.where('workspaceId', '=', workspaceId).execute(),
  }
}

function groupByWorkspace({ providers, aliases }: WorkspaceRows): Map<string, WorkspaceRows> {
  const providersOf = Map.groupBy(providers, (row) => row.workspaceId)
  const aliasesOf = Map.groupBy(aliases, (row) => row.workspaceId)
  const grouped = new Map<string, WorkspaceRows>()
  for (const id of [...providersOf.keys(), ...aliasesOf.keys()]) {
    grouped.set(id, { providers: providersOf.get(id) ?? [], aliases: aliasesOf.get(id) ?? [] })
  }
  return grouped
}

function storedProviders({ providers }: WorkspaceCatalogue): Provider[] {
  return [...providers.values()].filter(({ kind }) => kind !== 'builtin')
}
