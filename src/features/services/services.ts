import type { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync } from 'fastify'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { readVersion } from '../../lib/version.ts'
import type { Principal } from '../../lib/principal.ts'
import type { Inbound } from '../../net/exchange.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { createAdhoc } from './adhoc/adhoc.ts'
import { openCommandApprovals } from './administration/command-approvals.ts'
import type { ServiceLogs } from './administration/service-logs.ts'
import { openServiceDirectory } from './administration/service-directory.ts'
import { createLogSocket, type LogSocket } from './administration/log-socket.ts'
import type { ServicesRoutes, ServicesRoutesDeps } from './administration/services-routes.ts'
import { estimateTokens } from './bundles/search/token-cost.ts'
import { builtinNames, builtinService } from './builtin/builtin-service.ts'
import type { Caller, CallerAccess } from './caller.ts'
import { openCatalogue } from './catalogue/service-catalogue.ts'
import { createMcpFront, type McpFront } from './client/mcp-front.ts'
import { createConnectors } from './connectors.ts'
import { createEndpoints } from './endpoints.ts'
import { Runtimes } from './instances/runtimes.ts'
import type { ProcessHost } from './process-host.ts'
import { createCallPolicy } from './relay/call-policy.ts'
import { createParkedCalls } from './relay/parked-calls.ts'
import { createResultCache } from './relay/result-cache.ts'
import { createServiceEndpoint } from './relay/service-endpoint.ts'
import type { Service } from './service.ts'
import { createUpstreamPools } from './upstream/upstream-pools.ts'

/** What the services feature is handed. */
export interface ServicesDependencies extends Pick<
  ServicesRoutesDeps,
  'chooseWorkspace' | 'mayUse' | 'isUsable'
> {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly host: ProcessHost
  /** What programs print, by the service that they belong to. */
  readonly logs: ServiceLogs & {
    write(
      serviceId: string,
      line: { readonly level: 'info'; readonly stream: 'stdout'; readonly message: string },
    ): void
  }
  readonly access: CallerAccess
  /** Whom a request without a key speaks for, where that is allowed. */
  readonly anonymousCaller: (inbound: Inbound) => Caller | undefined
  /** The refusal of a request that a foreign web page had its browser send. */
  readonly findForeignOrigin: (req: IncomingMessage) => AppError | undefined
  /** Throws where the request carries no key that may manage. */
  readonly authenticateManager: (inbound: Inbound) => Principal
  /** Where imported bundles are unpacked. */
  readonly dataDir: string
  /** Says whether a text is a key of ours, working or not. */
  readonly isOwnKey: (text: string) => boolean
}

/** The parts of the configuration that concern this feature; each may change while it runs. */
export interface ServicesConfig {
  readonly services: Live<Config['services']>
  readonly limits: Live<Pick<Config['limits'], 'bodyTimeoutMs'>>
}

/** MCP servers behind one URL: those that run here, remote ones, and bundles of both; and their management. */
export interface Services extends AsyncDisposable {
  readonly front: McpFront
  /** The management routes. */
  readonly routes: FastifyPluginAsync
  /** Live logs over WebSocket. */
  readonly logSocket: LogSocket
  /** Starts the services that are to run from the start on. Resolves when all have started or failed. */
  startAll(): Promise<void>
  /** Keys of a workspace have changed, and with them what they may use. */
  keysChanged(): void
}

/** Opens the feature. Disposing of it ends every session, call and program of it. */
export async function openServices(
  deps: ServicesDependencies,
  config: ServicesConfig,
): Promise<Services> {
  const { clock, log, secretBox, host, logs } = deps
  const { services: settings, limits } = config
  await using scope = new AsyncDisposableStack()
  const directory = await openServiceDirectory(deps)
  const catalogue = scope.use(await openCatalogue({ ...deps, directory }))
  const approvals = await openCommandApprovals(deps)
  const pools = scope.use(createUpstreamPools())
  const runtimes = scope.use(
    new Runtimes({
      ...{ clock, log, host, directory, catalogue },
      connectors: createConnectors(pools, settings),
      userValues: (serviceId, keyId) => directory.userValues(serviceId, keyId),
      desiredState: ({ id }) => directory.desiredState(id),
      clientInfo: { name: 'portico', version: readVersion() },
      lineBytesMax: () => settings().messageBytesMax,
      instancesMax: () => settings().instancesMax,
      onNoise: (serviceId, message) =>
        logs.write(serviceId, { level: 'info', stream: 'stdout', message }),
    }),
  )
  const parked = scope.use(createParkedCalls({ secretBox, clock, config: settings }))
  const policy = createCallPolicy(deps)
  const cache = createResultCache()
  const ofService = (service: Service) => {
    const current = () => directory.service(service.id) ?? service
    return createServiceEndpoint(service, {
      ...{ log, policy, parked, cache, catalogue },
      service: current,
      runtime: () => runtimes.of(current()),
      limits: () => callLimits(current(), settings()),
      isQuarantined: (...question) => catalogue.isQuarantined(...question),
      onListsChanged: (listener) => runtimes.onListsChanged(service.id, listener),
    })
  }
  const endpoints = scope.use(
    createEndpoints({
      ...{ directory, runtimes, ofService, secretBox, clock, log },
      builtins: new Map(
        builtinNames.map((name) => [
          name,
          (workspaceId: string) => builtinService(name, workspaceId),
        ]),
      ),
      config: settings,
    }),
  )
  const adhoc = createAdhoc({ ...deps, host, approvals, pools }, settings)
  const front = scope.use(
    createMcpFront(
      {
        ...deps,
        resolve: (...question) => endpoints.resolve(...question),
        channelRoute: (...question) => adhoc.route(...question),
        healthOf: async ({ id }) => healthOf(runtimes, id),
        statusOf: ({ id }) =>
          directory.service(id) === undefined ? undefined : runtimes.status(id).state,
      },
      () => ({ ...settings(), bodyTimeoutMs: limits().bodyTimeoutMs }),
    ),
  )
  // Loaded with the rest of the management API, when somebody manages.
  let managing: Promise<ServicesRoutes> | undefined
  const management = (): Promise<ServicesRoutes> =>
    (managing ??= import('./administration/services-routes.ts').then(({ createServicesRoutes }) =>
      owned.use(
        createServicesRoutes({
          ...deps,
          ...{ directory, catalogue, approvals },
          control: runtimes,
          countTokens: estimateTokens,
        }),
      ),
    ))
  const logSocket = scope.use(
    createLogSocket({
      authenticate: deps.authenticateManager,
      follow: async (...question) => (await management()).followLogs(...question),
    }),
  )
  const owned = scope.move()
  return {
    front,
    routes: async (app) => void (await app.register((await management()).routes)),
    logSocket,
    startAll: () => runtimes.startAll(),
    keysChanged: () => endpoints.keysChanged(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function callLimits(
  { settings: { timeoutMs, totalTimeoutMs } }: Service,
  { parkedMs }: Config['services'],
) {
  return { silenceMs: timeoutMs, totalMs: totalTimeoutMs, answerMs: parkedMs }
}

/** As the proxies that only knew running and not running said it. */
async function healthOf(runtimes: Runtimes, id: string): Promise<object> {
  const { state, lastError, health, restarts } = runtimes.status(id)
  const figures = await runtimes.figures(id)
  const metrics =
    figures === undefined
      ? null
      : {
          pid: figures.pid,
          status: state,
          uptime: figures.uptimeMs,
          restartCount: restarts,
          memoryUsage: figures.memoryBytes,
          cpuUsage: figures.cpuPercent,
        }
  return { status: state, metrics, lastError, health }
}
