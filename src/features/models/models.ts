import type { FastifyPluginAsync } from 'fastify'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { AppError } from '../../lib/errors.ts'
import { createGuardedLookup } from '../../net/address-guard.ts'
import { writeError, writeSocketError } from '../../net/error-response.ts'
import type { Exchange, UpgradeRequest } from '../../net/exchange.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { createAnswerCopies } from './answer-copies.ts'
import { createBuiltinUpstream } from './builtin.ts'
import { createCallTicker } from './call-ticker.ts'
import type { CallerAccess } from './caller.ts'
import { createCatalogueChange } from './catalogue-change.ts'
import { openCatalogue } from './catalogue.ts'
import { createTargetChoice } from './choose-target.ts'
import { createCooldown } from './cooldown.ts'
import { createGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { createPromptLog } from './prompt-log.ts'
import { createPromptLogRoutes } from './prompt-log-routes.ts'
import { createProviderAdministration } from './provider-administration.ts'
import { createProviderProbe } from './provider-probe.ts'
import { createProviderRoutes } from './provider-routes.ts'
import { createProviderWrites } from './provider-writes.ts'
import { createResponseCache } from './response-cache.ts'
import type { ChooseWorkspace } from './tenancy.ts'
import { createUpstreams } from './upstreams.ts'

/** What the models feature is handed. */
export interface ModelsDependencies {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly access: CallerAccess
  readonly chooseWorkspace: ChooseWorkspace
  /** Counts a failed attempt, by provider and kind. */
  readonly upstreamFailed: (provider: string, kind: string) => void
}

/** The parts of the configuration that concern this feature; each may change while it runs. */
export interface ModelsConfig {
  readonly models: Live<Config['models']>
  readonly limits: Live<Config['limits']>
}

/** Every OpenAI-compatible endpoint behind one URL: the data plane, and the management of providers and aliases. */
export interface Models extends AsyncDisposable {
  readonly handle: Gateway
  /** The management routes. */
  readonly routes: FastifyPluginAsync
  upgrade(request: UpgradeRequest, rest: string): void
  settings(exchange: Exchange, listId: string): void
  /** An enabled provider by id or name. */
  findProvider(workspaceId: string, idOrName: string): { readonly id: string } | undefined
  /** Makes a changed configuration effective. */
  reload(): Promise<void>
  /** Breaks off the calls that run: their clients are told, and nobody takes them for complete. */
  stop(): void
  /** Calls that run. */
  readonly running: number
}

/** Opens the feature. Disposing of it breaks off the calls that still run and writes what waits to be written. */
export async function openModels(deps: ModelsDependencies, config: ModelsConfig): Promise<Models> {
  const { store, secretBox, clock, log, access, chooseWorkspace, upstreamFailed } = deps
  await using scope = new AsyncDisposableStack()
  const catalogue = await openCatalogue({ store, secretBox, log }, config.models)
  const cooldown = createCooldown({ clock }, () => config.models().cooldown)
  const upstreams = scope.use(
    createUpstreams({
      builtin: createBuiltinUpstream({ clock }),
      lookupFor: ({ allowPrivate, baseUrl }) =>
        createGuardedLookup({ allow: allowPrivate ? baseUrl : undefined }),
    }),
  )
  const cache = createResponseCache({ clock }, () => config.models().cache)
  const promptLog = scope.use(
    createPromptLog(
      { db: store.db, clock, log, secrets: () => [] },
      () => config.models().promptLog,
    ),
  )
  const ticker = scope.use(createCallTicker())
  const handle = createGateway({
    access,
    catalogue,
    upstreams,
    cooldown,
    upstreamFailed,
    ticker,
    log,
    choice: createTargetChoice({ cooldown, random: Math.random }),
    copies: createAnswerCopies({ cache, promptLog }),
    holders: { of: async () => undefined },
    config: config.models,
    limits: config.limits,
  })
  const providers = createProviderAdministration({
    store,
    catalogue,
    cooldown,
    change: createCatalogueChange({ store, catalogue }),
    writes: createProviderWrites({ secretBox, clock }),
    probe: createProviderProbe({ upstreams, clock }),
  })
  const owned = scope.move()
  return {
    handle,
    upgrade: ({ socket, id }) =>
      writeSocketError(
        socket,
        new AppError('upgrade_required', 'WebSocket is not offered here.'),
        id,
      ),
    settings: ({ res, id }) =>
      writeError(res, new AppError('not_found', 'There is nothing here.'), id),
    findProvider: (workspaceId, name) => catalogue.provider(workspaceId, name),
    reload: () => catalogue.reloadAll(),
    stop: () => ticker.stopAll(),
    get running() {
      return ticker.running
    },
    async routes(app) {
      await app.register(createProviderRoutes(providers, chooseWorkspace))
      await app.register(createPromptLogRoutes({ promptLog, chooseWorkspace }))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
