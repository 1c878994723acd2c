import { apiSegments } from '../features/models/surfaces.ts'
import type { Models } from '../features/models/models.ts'
import type { Services } from '../features/services/services.ts'
import { AppError } from '../lib/errors.ts'
import { redirectAnswer, sendAnswer } from '../net/answer.ts'
import { refuse, writeSocketError } from '../net/error-response.ts'
import type { Exchange, UpgradeRequest } from '../net/exchange.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'
import type { DeferredManagement } from './deferred-management.ts'
import { createPublicRoutes } from './routes.ts'

/** What the public listener is made of. */
export interface PublicSideDependencies {
  readonly models: Models
  readonly services: Pick<Services, 'front' | 'logSocket'>
  readonly management: Pick<DeferredManagement, 'handle'>
  readonly dashboardUrl: string
  /** Serves pages, health and metrics; false for a path that is none of them. */
  readonly serveOwn: (exchange: Exchange) => boolean
  /** Sets the CORS headers of the data plane; false when it has answered a preflight. */
  readonly cors: (exchange: Exchange) => boolean
  /** Refuses what a foreign web page had its browser send to the management API. */
  readonly findForeignOrigin: (exchange: Exchange) => AppError | undefined
}

/** Connects the paths of the public listener with the features. */
export function createPublicSide(dependencies: PublicSideDependencies): ListenerHandlers {
  const { models, services, management, dashboardUrl, serveOwn, cors, findForeignOrigin } =
    dependencies
  return createPublicRoutes(
    {
      models(exchange, rest) {
        exchange.note.plane = 'data'
        if (cors(exchange)) models.handle(exchange, rest)
      },
      modelsUpgrade(request, rest) {
        request.note.plane = 'data'
        models.upgrade(request, rest)
      },
      services(exchange, rest) {
        exchange.note.plane = 'data'
        if (cors(exchange)) services.front.handle(exchange, rest)
      },
      servicesUpgrade(request, rest) {
        request.note.plane = 'data'
        services.front.upgrade(request, rest)
      },
      management(exchange) {
        const foreign = findForeignOrigin(exchange)
        if (foreign === undefined) management.handle(exchange)
        else refuse(exchange, foreign)
      },
      server: serveOwn,
      settings(exchange, key) {
        if (exchange.path === '/not-found') models.settings.handleNotFound(exchange)
        else if (wantsPage(exchange)) {
          // The browser leaves the address that has the key in it; what it asks for next carries no Referer.
          sendAnswer(exchange, 'management', redirectAnswer(303, dashboardUrl))
        } else void models.settings.handle(exchange, key)
      },
      notFound: (exchange) => refuse(exchange, new AppError('not_found', 'There is nothing here.')),
      managementUpgrade(request) {
        if (!services.logSocket.open(request)) refuseUpgrade(request)
      },
      upgradeNotFound: refuseUpgrade,
    },
    apiSegments,
  )
}

function refuseUpgrade({ socket, id }: UpgradeRequest): void {
  writeSocketError(socket, new AppError('not_found', 'There is no WebSocket here.'), id)
}

/** A browser that opens `/{key}`; programs of the settings contract ask for JSON, an event stream, or anything. */
function wantsPage({ req }: Exchange): boolean {
  return req.method === 'GET' && (req.headers.accept ?? '').includes('text/html')
}
