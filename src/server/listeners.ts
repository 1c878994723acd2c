import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Config } from '../config/schema.ts'
import { systemClock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Live } from '../lib/live.ts'
import type { Log } from '../lib/log.ts'
import { jsonAnswer } from '../net/answer.ts'
import { limitConnections } from '../net/connection-limits.ts'
import { createCors } from '../net/cors.ts'
import { derive } from '../net/derive.ts'
import { createFrontDoor } from '../net/front-door.ts'
import type { FrontDoorConfig } from '../net/front-door.ts'
import { attachFrontDoor, httpServerOptions } from '../net/http-listener.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'
import { createOriginCheck } from '../net/origin-check.ts'
import { createSlowReadGuard } from '../net/slow-read.ts'
import type { SlowReadGuard } from '../net/slow-read.ts'
import type { AccessLog } from './access-log.ts'
import { createDashboardSide } from './dashboard-side.ts'
import type { Features } from './features.ts'
import { frontDoorConfig, listenerLimits } from './front-door-config.ts'
import { guardHandlers } from './guard.ts'
import { createHealthRoutes } from './health.ts'
import { managementCarriers } from './keys-for-models.ts'
import { listen } from './listener.ts'
import type { ListenAddress, Listener } from './listener.ts'
import type { ServerMetrics } from './metrics.ts'
import { createOwnRoutes } from './own-routes.ts'
import type { OwnRoute } from './own-routes.ts'
import { apiPage, landingPage, statusPage } from './pages.ts'
import { createPublicSide } from './public-side.ts'

/** What the listeners serve, and who watches. */
export interface ListenersDependencies {
  readonly features: Features
  readonly metrics: ServerMetrics
  readonly log: Log
  readonly accessLog: AccessLog
  readonly isDraining: () => boolean
}

/** The two listeners, and the URLs under which they are known. */
export interface Listeners {
  readonly public: Listener
  readonly dashboard: Listener
  readonly publicUrl: string
  readonly dashboardUrl: string
}

/** Opens both listeners; they belong to `scope`. */
export async function openListeners(
  scope: AsyncDisposableStack,
  config: Live<Config>,
  dependencies: ListenersDependencies,
): Promise<Listeners> {
  const { features, metrics, log, isDraining } = dependencies
  const { keys, management, models, services, store } = features
  const { server } = config()
  const slowReaders = scope.use(openSlowReadGuard(config(), metrics))
  const shared = { ...dependencies, config, slowReaders }
  const apiPages = new Map<string, OwnRoute>([
    ['/api/openapi.json', async () => jsonAnswer(200, await management.openApi())],
    ['/api/docs', async () => apiPage(await management.openApi())],
  ])
  const publicUrl = (): string => server.publicUrl ?? urlOf(server.host, publicListener.port)
  const status = () => statusPage({ publicUrl: publicUrl(), runningCalls: models.running })
  const dashboard = scope.use(
    await open(
      { host: server.dashboardHost, port: server.dashboardPort },
      { ...shared, rules: derive(config, (from) => frontDoorConfig(from, 'dashboard')) },
      createDashboardSide(createOwnRoutes(new Map([['/', status], ...apiPages]), log)),
    ),
  )
  const dashboardUrl = server.dashboardUrl ?? urlOf(server.dashboardHost, dashboard.port)
  const rules = derive(config, (from) => frontDoorConfig(from, 'public'))
  const findForeignOrigin = createOriginCheck(rules)
  // All that a stranger can see, and the metrics, which demand a key.
  const ownRoutes = new Map<string, OwnRoute>([
    ['/', () => landingPage(dashboardUrl)],
    ...createHealthRoutes({ isDraining, checkStore: () => store.check() }),
    ...apiPages,
    [
      '/metrics',
      (exchange) => {
        keys.authenticate(exchange, { carriers: managementCarriers, scope: 'admin' })
        return metrics.page()
      },
    ],
  ])
  const publicListener = scope.use(
    await open(
      { host: server.host, port: server.port },
      { ...shared, rules },
      createPublicSide({
        models,
        services,
        management,
        dashboardUrl,
        serveOwn: createOwnRoutes(ownRoutes, log),
        cors: createCors(rules),
        findForeignOrigin: ({ req }) => findForeignOrigin(req, 'management'),
      }),
    ),
  )
  return { public: publicListener, dashboard, publicUrl: publicUrl(), dashboardUrl }
}

interface OpenOptions extends ListenersDependencies {
  readonly config: Live<Config>
  readonly rules: Live<FrontDoorConfig>
  readonly slowReaders: SlowReadGuard
}

function open(
  address: ListenAddress,
  { config, rules, accessLog, slowReaders, metrics, log }: OpenOptions,
  handlers: ListenerHandlers,
): Promise<Listener> {
  const frontDoor = createFrontDoor(
    { newRequestId: () => newId('req'), onRefusal: (refusal) => accessLog.refusal(refusal) },
    rules,
  )
  const { limits, server: settings } = config()
  const guarded = guardHandlers(handlers, log)
  const wire = (server: Server): void => {
    server.maxRequestsPerSocket = limits.requestsPerSocketMax
    const connectionLimits = {
      connectionsMax: limits.connectionsMax,
      connectionsPerClientMax: limits.connectionsPerIpMax,
      trustedProxies: settings.trustedProxies,
    }
    limitConnections(server, connectionLimits, (limit) => metrics.connectionCut(limit))
    server.on('connection', (socket: Socket) => slowReaders.track(socket))
    attachFrontDoor(server, frontDoor, {
      onExchange(exchange) {
        accessLog.exchange(exchange)
        guarded.onExchange(exchange)
      },
      onUpgrade(upgrade) {
        accessLog.upgrade(upgrade)
        guarded.onUpgrade(upgrade)
      },
    })
  }
  return listen(address, {
    options: httpServerOptions(listenerLimits(config())),
    wire,
    onError: (err) => log.error({ err }, 'connection not accepted'),
  })
}

function openSlowReadGuard({ limits }: Config, metrics: ServerMetrics): SlowReadGuard {
  return createSlowReadGuard(
    { clock: systemClock, onCut: () => metrics.connectionCut('slow_reader') },
    { bytesPerSecondMin: limits.slowReadBytesPerSecondMin, windowMs: limits.slowReadWindowMs },
  )
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
