import type { IncomingMessage } from 'node:http'
import { createMemoryCounters } from '../cluster/memory-counters.ts'
import { processEnvironment } from '../config/environment.ts'
import type { Config } from '../config/schema.ts'
import type { CredentialRule } from '../features/keys/authenticate.ts'
import { openKeys } from '../features/keys/keys.ts'
import type { Keys } from '../features/keys/keys.ts'
import { openModels } from '../features/models/models.ts'
import type { Models } from '../features/models/models.ts'
import { openProcesses } from '../features/processes/processes.ts'
import { isOwnValuePath } from '../features/services/administration/own-value-path.ts'
import { openServices } from '../features/services/services.ts'
import type { Services } from '../features/services/services.ts'
import { systemClock } from '../lib/clock.ts'
import type { AppError } from '../lib/errors.ts'
import type { Live } from '../lib/live.ts'
import type { Log } from '../lib/log.ts'
import { derive } from '../net/derive.ts'
import type { Inbound } from '../net/exchange.ts'
import { createOriginCheck } from '../net/origin-check.ts'
import { loadMasterKeys } from '../store/master-keys.ts'
import { createSecretBox } from '../store/secret-box.ts'
import type { SecretBox } from '../store/secret-box.ts'
import { openStore } from '../store/store.ts'
import type { Store } from '../store/store.ts'
import { frontDoorConfig } from './front-door-config.ts'
import { keysForModels, managementCarriers } from './keys-for-models.ts'
import { keysForServices } from './keys-for-services.ts'
import { deferManagement } from './deferred-management.ts'
import type { DeferredManagement } from './deferred-management.ts'
import type { Management } from './management.ts'
import type { ServerMetrics } from './metrics.ts'

/** The features of Portico, opened and connected with each other. */
export interface Features {
  readonly store: Store
  readonly keys: Keys
  readonly models: Models
  readonly services: Services
  readonly management: DeferredManagement
  /** The admin key, when it was made just now. */
  readonly generatedAdminKey: string | undefined
}

/**
 * Opens the store and the features on it, and hands each what it needs of the others. They belong to `scope`.
 * Throws what opening the store throws, and `invalid_config` for master keys.
 */
export async function openFeatures(
  scope: AsyncDisposableStack,
  config: Live<Config>,
  { log, metrics }: { readonly log: Log; readonly metrics: ServerMetrics },
): Promise<Features> {
  const clock = systemClock
  const { databaseUrl, dataDir, encryptionKey, previousEncryptionKeys, adminKey } = config()
  const store = scope.use(await openStore({ databaseUrl: databaseUrl?.reveal(), dataDir, log }))
  const secretBox = createSecretBox(
    loadMasterKeys({ encryptionKey, previous: previousEncryptionKeys, dataDir }),
  )
  const counters = createMemoryCounters(clock)
  const keys: Keys = scope.use(
    await openKeys(
      {
        store,
        clock,
        log,
        secretBox,
        counters,
        findProvider: (workspaceId, name) => models.findProvider(workspaceId, name),
      },
      () => ({ queryKeys: config().server.queryKeys, usage: config().usage }),
    ),
  )
  const generatedAdminKey = await keys.ensureAdminKey(adminKey)
  const models: Models = scope.use(
    await openModels(
      {
        store,
        secretBox,
        clock,
        log,
        ...keysForModels(keys, () => config().workspaces.open),
        upstreamFailed: (provider, kind) => metrics.upstreamFailed(provider, kind),
      },
      { models: () => config().models, limits: () => config().limits },
    ),
  )
  const services = await openServicesFeature(scope, config, { store, secretBox, keys, log })
  const management = scope.use(
    deferManagement(() => loadManagement(config, { store, keys, models, services, log }), log),
  )
  scope.defer(
    keys.onChange((workspaceId) => {
      models.settings.keysChanged(workspaceId)
      services.keysChanged(workspaceId)
    }),
  )
  return { store, keys, models, services, management, generatedAdminKey }
}

/** MCP services, on the supervisor of the programs behind them. */
async function openServicesFeature(
  scope: AsyncDisposableStack,
  config: Live<Config>,
  shared: { store: Store; secretBox: SecretBox; keys: Keys; log: Log },
): Promise<Services> {
  const clock = systemClock
  const { keys, log } = shared
  const { dataDir } = config()
  const processes = scope.use(
    await openProcesses(
      { dataDir, baseEnvironment: processEnvironment(), clock, log, random: Math.random },
      () => config().processes,
    ),
  )
  return scope.use(
    await openServices(
      {
        ...shared,
        ...keysForServices(keys, () => config().services.anonymous),
        clock,
        dataDir,
        host: processes,
        logs: processes.logs,
        findForeignOrigin: originCheck(config),
        authenticateManager: (inbound) => keys.authenticate(inbound, managementRule(inbound)),
      },
      { services: () => config().services, limits: () => config().limits },
    ),
  )
}

async function loadManagement(
  config: Live<Config>,
  {
    store,
    keys,
    models,
    services,
    log,
  }: Omit<Features, 'management' | 'generatedAdminKey'> & { readonly log: Log },
): Promise<Management> {
  const [{ createManagement }, { keysRoutes }] = await Promise.all([
    import('./management.ts'),
    import('../features/keys/routes.ts'),
  ])
  return createManagement({
    authenticate: (inbound) => keys.authenticate(inbound, managementRule(inbound)),
    plugins: [keysRoutes({ store, keys }), models.routes, services.routes],
    bodyLimits: () => ({
      bytesMax: config().limits.jsonBytesMax,
      stallMs: config().limits.bodyTimeoutMs,
    }),
    log,
  })
}

/** Who may use a service may give it values of their own; everything else is for managers. */
function managementRule({ path }: Inbound): CredentialRule {
  return isOwnValuePath(path)
    ? { carriers: managementCarriers }
    : { carriers: managementCarriers, scope: 'manage' }
}

function originCheck(config: Live<Config>): (req: IncomingMessage) => AppError | undefined {
  const findForeign = createOriginCheck(derive(config, (from) => frontDoorConfig(from, 'public')))
  return (req) => findForeign(req, 'upgrade')
}
