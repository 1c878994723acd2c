import type { FastifyPluginAsync } from 'fastify'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { createGuardedLookup } from '../../net/address-guard.ts'
import type { UpgradeRequest } from '../../net/exchange.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { createAdministration } from './administration/administration.ts'
import type { AdministrationKeys } from './administration/administration.ts'
import { createAnswerCopies } from './relay/answer-copies.ts'
import { createBuiltinUpstream } from './builtin/builtin.ts'
import { createCallTicker } from './relay/call-ticker.ts'
import type { CallerAccess } from './caller.ts'
import { openCatalogue } from './catalogue/catalogue.ts'
import { createTargetChoice } from './routing/choose-target.ts'
import { createCooldown } from './routing/cooldown.ts'
import { createGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { createObjectRoutes } from './routing/object-routes.ts'
import { createPromptLog } from './prompts/prompt-log.ts'
import type { Provider } from './catalogue/provider.ts'
import { createRealtime } from './relay/realtime.ts'
import { createResponseCache } from './relay/response-cache.ts'
import type { Settings } from './settings/settings-routes.ts'
import { createUpstreams } from './routing/upstreams.ts'

/** What the models feature is handed. */
export interface ModelsDependencies extends AdministrationKeys {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly access: CallerAccess
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
  /** Takes WebSocket handshakes below the base of the models API. */
  upgrade(request: UpgradeRequest, rest: string): void
  /** The management routes. */
  readonly routes: FastifyPluginAsync
  readonly settings: Settings
  /** An enabled provider by id or name. */
  findProvider(workspaceId: string, idOrName: string): { readonly id: string } | undefined
  /** Makes a changed configuration effective. */
  reload(): Promise<void>
  /** Breaks off the calls that run: their clients are told, and nobody takes them for complete. */
  stop(): void
  /** Calls that run. */
  readonly running: number
}

/** Opens the feature. Disposing of it ends what still runs and writes what waits to be written. */
export async function openModels(deps: ModelsDependencies, config: ModelsConfig): Promise<Models> {
  const { store, clock, log } = deps
  await using scope = new AsyncDisposableStack()
  const catalogue = await openCatalogue(deps, config.models)
  const cooldown = createCooldown({ clock }, () => config.models().cooldown)
  const choice = createTargetChoice({ cooldown, random: Math.random })
  const builtin = createBuiltinUpstream({ clock })
  const upstreams = scope.use(createUpstreams({ builtin, lookupFor }))
  const cache = createResponseCache({ clock }, () => config.models().cache)
  // What an alias or a provider stood for may be another answer now.
  scope.defer(catalogue.onChange(() => cache.clear()))
  scope.defer(catalogue.onChange(() => upstreams.retain(catalogue.providers())))
  const secrets = () => catalogue.providers().flatMap(credentialTexts)
  const promptLog = scope.use(
    createPromptLog({ db: store.db, clock, log, secrets }, () => config.models().promptLog),
  )
  const holders = scope.use(createObjectRoutes({ store, clock, log }))
  const ticker = scope.use(createCallTicker())
  const shared = { ...deps, catalogue, cooldown, choice, upstreams, holders, ticker }
  const copies = createAnswerCopies({ cache, promptLog, holders })
  const administration = createAdministration({ ...shared, promptLog })
  scope.use(administration.settings)
  const owned = scope.move()
  return {
    handle: createGateway({ ...shared, copies, config: config.models, limits: config.limits }),
    upgrade: createRealtime({ ...shared, lookupFor }),
    routes: administration.routes,
    settings: administration.settings,
    findProvider: (workspaceId, name) => catalogue.provider(workspaceId, name),
    reload: () => catalogue.reloadAll(),
    stop: () => ticker.stopAll(),
    get running() {
      return ticker.running
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A provider that may be private may be so at its own address alone. */
function lookupFor({ allowPrivate, baseUrl }: Provider): ReturnType<typeof createGuardedLookup> {
  return createGuardedLookup({ allow: allowPrivate ? baseUrl : undefined })
}

function credentialTexts({ credentials }: Provider): string[] {
  return credentials.flatMap(({ secret }) => secret?.reveal() ?? [])
}
