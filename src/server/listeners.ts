import type { Server } from 'node:http'
import type { Config } from '../config/schema.ts'
import type { Socket } from 'node:net'
import { systemClock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Live } from '../lib/live.ts'
import { createCors } from '../net/cors.ts'
import { derive } from '../net/derive.ts'
import { createFrontDoor } from '../net/front-door.ts'
import type { FrontDoorConfig } from '../net/front-door.ts'
import { attachFrontDoor, httpServerOptions } from '../net/http-listener.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'
import { limitConnections } from '../net/connection-limits.ts'
import { createSlowReadGuard } from '../net/slow-read.ts'
import type { SlowReadGuard } from '../net/slow-read.ts'
import { createOriginCheck } from '../net/origin-check.ts'
import { jsonAnswer } from './answer.ts'
import { createDashboardSide } from './dashboard-side.ts'
import type { Features } from './features.ts'
import { frontDoorConfig, listenerLimits } from './front-door-config.ts'
import { createHealthRoutes } from './health.ts'
import { listen } from './listener.ts'
import type { ListenAddress, Listener } from './listener.ts'
import type { ServerMetrics } from './metrics.ts'
import { apiPage, landingPage, statusPage } from './pages.ts'
import { createPublicSide } from './public-side.ts'

/** What the listeners serve, and who watches. */
export interface ListenersDependencies {
  readonly features: Features
  readonly metrics: ServerMetrics
  /** Follows every admitted exchange to its end. */
  readonly accessLog: (exchange: Parameters<ListenerHandlers['onExchange']>[0]) => void
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
  const { features, metrics, isDraining } = dependencies
  const { management, models, store } = features
  const { server, limits } = config()
  const slowReaders = scope.use(
    createSlowReadGuard(
      { clock: systemClock },
      { bytesPerSecondMin: limits.slowReadBytesPerSecondMin, windowMs: limits.slowReadWindowMs },
    ),
  )
  const shared = { config, slowReaders, accessLog: dependencies.accessLog }
  const apiPages = new Map([
    ['/api/openapi.json', () => jsonAnswer(200, management.openApi())],
    ['/api/docs', () => apiPage(management.openApi())],
  ])
  const publicUrl = () => server.publicUrl ?? urlOf(server.host, publicListener.port)
  const status = () => statusPage({ publicUrl: publicUrl(), runningCalls: models.running })
  const dashboardRules = derive(config, (from) => frontDoorConfig(from, 'dashboard'))
  const dashboard = scope.use(
    await open(
      { host: server.dashboardHost, port: server.dashboardPort },
      { ...shared, rules: dashboardRules },
      createDashboardSide(new Map([['/', status], ...apiPages])),
    ),
  )
  const dashboardUrl = server.dashboardUrl ?? urlOf(server.dashboardHost, dashboard.port)
  const publicRules = derive(config, (from) => frontDoorConfig(from, 'public'))
  const findForeignOrigin = createOriginCheck(publicRules)
  const publicSide = createPublicSide({
    ...features,
    metrics,
    dashboardUrl,
    cors: createCors(publicRules),
    findForeignOrigin: ({ req }) => findForeignOrigin(req, 'management'),
    openRoutes: new Map([
      ['/', () => landingPage(dashboardUrl)],
      ...createHealthRoutes({ isDraining, checkStore: () => store.check() }),
      ...apiPages,
    ]),
  })
  const publicListener = scope.use(
    await open(
      { host: server.host, port: server.port },
      { ...shared, rules: publicRules },
      publicSide,
    ),
  )
  return { public: publicListener, dashboard, publicUrl: publicUrl(), dashboardUrl }
}

interface OpenOptions extends Pick<ListenersDependencies, 'accessLog'> {
  readonly config: Live<Config>
  readonly rules: Live<FrontDoorConfig>
  readonly slowReaders: SlowReadGuard
}

function open(
  address: ListenAddress,
  { config, rules, accessLog, slowReaders }: OpenOptions,
  handlers: ListenerHandlers,
): Promise<Listener> {
  const frontDoor = createFrontDoor({ newRequestId: () => newId('req') }, rules)
  const { limits, server: settings } = config()
  const wire = (server: Server): void => {
    server.maxRequestsPerSocket = limits.requestsPerSocketMax
    limitConnections(server, {
      connectionsMax: limits.connectionsMax,
      connectionsPerClientMax: limits.connectionsPerIpMax,
      trustedProxies: settings.trustedProxies,
    })
    server.on('connection', (socket: Socket) => slowReaders.track(socket))
    attachFrontDoor(server, frontDoor, {
      ...handlers,
      onExchange(exchange) {
        accessLog(exchange)
        handlers.onExchange(exchange)
      },
    })
  }
  return listen(address, httpServerOptions(listenerLimits(config())), wire)
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
