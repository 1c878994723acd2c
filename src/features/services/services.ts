import type { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync } from 'fastify'
import type { Config } from '../../config/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import type { Principal } from '../../lib/principal.ts'
import type { Inbound } from '../../net/exchange.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { createAdhoc } from './adhoc/adhoc.ts'
import { openCommandApprovals } from './administration/command-approvals.ts'
import { createLogSocket, type LogSocket } from './administration/log-socket.ts'
import { openServiceDirectory } from './administration/service-directory.ts'
import type { ServiceLogs } from './administration/service-logs.ts'
import type { ServicesRoutes, ServicesRoutesDeps } from './administration/services-routes.ts'
import { estimateTokens } from './bundles/search/token-cost.ts'
import type { Caller, CallerAccess } from './caller.ts'
import { openCatalogue } from './catalogue/service-catalogue.ts'
import { createMcpFront, type McpFront } from './client/mcp-front.ts'
import { createEndpoints } from './endpoints.ts'
import { healthOf } from './instances/runtime-status.ts'
import type { ProcessHost } from './process-host.ts'
import { createServiceEndpoints, followUserValues, openRuntimes } from './service-endpoints.ts'
import { createUpstreamPools } from './upstream/upstream-pools.ts'

/** What the services feature is handed. */
export interface ServicesDependencies extends Pick<
  ServicesRoutesDeps,
  'chooseWorkspace' | 'mayUse' | 'isUsable' | 'dataDir'
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
  /** Throws where the request carries no key that may manage. */
  readonly authenticateManager: (inbound: Inbound) => Principal
  /** The refusal of a request that a foreign web page had its browser send. */
  readonly findForeignOrigin: (req: IncomingMessage) => AppError | undefined
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
  keysChanged(workspaceId: string): void
  /** Ends the streams that have no end of their own, so that what is being answered can finish. */
  drain(): void
}

/** Opens the feature. Disposing of it ends every session, call and program of it. */
export async function openServices(
  deps: ServicesDependencies,
  { services: config, limits }: ServicesConfig,
): Promise<Services> {
  await using scope = new AsyncDisposableStack()
  const directory = await openServiceDirectory(deps)
  const catalogue = scope.use(await openCatalogue({ ...deps, directory }))
  const approvals = await openCommandApprovals(deps)
  const pools = scope.use(createUpstreamPools())
  const runtimes = scope.use(openRuntimes({ ...deps, directory, catalogue, pools }, config))
  scope.defer(followUserValues(directory, runtimes, deps.log))
  const state = { directory, catalogue, approvals }
  const ofService = createServiceEndpoints({ ...deps, ...state, runtimes }, { scope, config })
  const endpoints = scope.use(createEndpoints({ ...deps, ...state, runtimes, ofService, config }))
  const adhoc = createAdhoc({ ...deps, approvals, pools }, config)
  const front = scope.use(
    createMcpFront(
      {
        ...deps,
        resolve: (...question) => endpoints.resolve(...question),
        channelRoute: (...question) => adhoc.route(...question),
        healthOf: ({ id }) => healthOf(runtimes, id),
        statusOf: ({ id }) =>
          directory.service(id) === undefined ? undefined : runtimes.status(id).state,
      },
      () => ({ ...config(), bodyTimeoutMs: limits().bodyTimeoutMs }),
    ),
  )
  // Loaded with the rest of the management API, when somebody manages.
  let managing: Promise<ServicesRoutes> | undefined
  const management = (): Promise<ServicesRoutes> =>
    (managing ??= loadRoutes({ ...deps, ...state, control: runtimes, countTokens: estimateTokens }))
  scope.defer(async () => (await managing)?.[Symbol.asyncDispose]())
  const logSocket = scope.use(
    createLogSocket({
      authenticate: deps.authenticateManager,
      follow: async (...question) => (await management()).followLogs(...question),
    }),
  )
  const owned = scope.move()
  return {
    front,
    logSocket,
    async routes(app) {
      await app.register((await management()).routes)
    },
    startAll: () => runtimes.startAll(),
    keysChanged: (workspaceId) => endpoints.keysChanged(workspaceId),
    drain() {
      front.stop()
      logSocket.end()
      void managing?.then((routes) => routes[Symbol.asyncDispose]())
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function loadRoutes(deps: ServicesRoutesDeps): Promise<ServicesRoutes> {
  const { createServicesRoutes } = await import('./administration/services-routes.ts')
  return createServicesRoutes(deps)
}
