import type { Keys } from '../features/keys/keys.ts'
import { apiSegments } from '../features/models/surfaces.ts'
import type { Models } from '../features/models/models.ts'
import { AppError } from '../lib/errors.ts'
import { writeError, writeSocketError } from '../net/error-response.ts'
import type { Exchange } from '../net/exchange.ts'
import { sendAnswer } from './answer.ts'
import type { Answer } from './answer.ts'
import type { Management } from './management.ts'
import { managementCarriers } from './keys-for-models.ts'
import type { ServerMetrics } from './metrics.ts'
import { createPublicRoutes } from './routes.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'

/** What the public listener is made of. */
export interface PublicSideDependencies {
  readonly keys: Keys
  readonly models: Models
  readonly management: Management
  readonly metrics: ServerMetrics
  readonly dashboardUrl: string
  /** Pages and health that need no key, by path: the whole list of what a stranger can see. */
  readonly openRoutes: ReadonlyMap<string, () => Answer | Promise<Answer>>
  /** Sets the CORS headers of the data plane; false when it has answered a preflight. */
  readonly cors: (exchange: Exchange) => boolean
  /** Refuses what a foreign web page had its browser send to the management API. */
  readonly findForeignOrigin: (exchange: Exchange) => AppError | undefined
}

/** Connects the paths of the public listener with the features. */
export function createPublicSide(dependencies: PublicSideDependencies): ListenerHandlers {
  const { keys, models, management, metrics, openRoutes, dashboardUrl } = dependencies
  const { cors, findForeignOrigin } = dependencies

  function serve(exchange: Exchange): boolean {
    const { method } = exchange.req
    const open = openRoutes.get(exchange.path)
    if (open === undefined && exchange.path !== '/metrics') return false
    if (method !== 'GET' && method !== 'HEAD') {
      refuse(
        exchange,
        new AppError('method_not_allowed', 'Only GET.', { headers: { allow: 'GET, HEAD' } }),
      )
    } else void answer(exchange, open ?? (() => metricsAnswer(exchange)))
    return true
  }

  async function metricsAnswer(exchange: Exchange): Promise<Answer> {
    keys.authenticate(exchange, { carriers: managementCarriers, scope: 'admin' })
    const { contentType, text } = await metrics.registry.render()
    return { status: 200, type: contentType, body: text }
  }

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
      management(exchange) {
        const foreign = findForeignOrigin(exchange)
        if (foreign === undefined) management.handle(exchange)
        else refuse(exchange, foreign)
      },
      server: serve,
      settings(exchange, key) {
        if (exchange.path === '/not-found') models.settings.handleNotFound(exchange)
        else if (wantsPage(exchange)) redirect(exchange, dashboardUrl)
        else void models.settings.handle(exchange, key)
      },
      notFound: (exchange) => refuse(exchange, new AppError('not_found', 'There is nothing here.')),
      upgradeNotFound({ socket, id }) {
        writeSocketError(socket, new AppError('not_found', 'There is no WebSocket here.'), id)
      },
    },
    apiSegments,
  )
}

/** Sends what `make` makes, or its failure. */
async function answer(exchange: Exchange, make: () => Answer | Promise<Answer>): Promise<void> {
  const made = await Promise.try(make).catch((error: unknown) =>
    error instanceof AppError
      ? error
      : new AppError('internal_error', 'Something failed.', { cause: error }),
  )
  if (made instanceof AppError) refuse(exchange, made)
  else sendAnswer(exchange.res, made)
}

/** A browser that opens `/{key}`; programs of the settings contract ask for JSON, an event stream, or anything. */
function wantsPage({ req }: Exchange): boolean {
  return req.method === 'GET' && (req.headers.accept ?? '').includes('text/html')
}

/** Sends a browser to the dashboard, so that the key leaves its address bar and its history. */
function redirect({ res }: Exchange, location: string): void {
  res.writeHead(303, [
    'location',
    location,
    'referrer-policy',
    'no-referrer',
    'cache-control',
    'no-store',
    'content-length',
    '0',
  ])
  res.end()
}

function refuse(exchange: Exchange, error: AppError): void {
  exchange.note.error = error.code
  writeError(exchange.res, error, exchange.id)
}
