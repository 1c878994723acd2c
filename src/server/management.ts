import type { IncomingMessage, ServerResponse } from 'node:http'
import swagger from '@fastify/swagger'
import Fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { Live } from '../lib/live.ts'
import type { Log } from '../lib/log.ts'
import type { Principal } from '../lib/principal.ts'
import type { Exchange, Inbound } from '../net/exchange.ts'
import { configureManagement } from '../net/management-app.ts'
import type { BodyLimits } from '../net/request-body.ts'
import { openApiOptions } from './openapi.ts'

/** What the management API is made of. */
export interface ManagementDependencies {
  /** Throws when the request carries no key that may manage. */
  readonly authenticate: (inbound: Inbound) => Principal
  /** The routes of the features. */
  readonly plugins: readonly FastifyPluginAsync[]
  readonly bodyLimits: Live<BodyLimits>
  readonly log: Log
}

/** The management API: one Fastify application behind the front door. */
export interface Management extends AsyncDisposable {
  handle(exchange: Exchange): void
  /** The OpenAPI 3.1 document of all routes. */
  openApi(): object
}

/** Builds the management API; every route of it demands a key. */
export async function createManagement(dependencies: ManagementDependencies): Promise<Management> {
  const { authenticate, plugins, bodyLimits, log } = dependencies
  const exchanges = new WeakMap<IncomingMessage, Exchange>()
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (req) => exchanges.get(req)?.id ?? '',
    exposeHeadRoutes: false,
  })
  app.decorateRequest('principal')
  app.decorateRequest('inbound')
  app.addHook('onRequest', async (request) => {
    request.inbound = exchanges.get(request.raw) as Exchange
    request.principal = authenticate(request.inbound)
  })
  configureManagement(app, bodyLimits)
  await app.register(swagger, openApiOptions)
  for (const plugin of plugins) await app.register(plugin)
  await app.ready()
  return {
    handle(exchange) {
      exchange.note.plane = 'management'
      exchanges.set(exchange.req, exchange)
      route(app, exchange)
    },
    openApi: () => app.swagger(),
    [Symbol.asyncDispose]: () => app.close(),
  }
}

/** Fastify reads the target from the request; it gets the one that was checked, without any key in it. */
function route(app: FastifyInstance, exchange: Exchange): void {
  exchange.req.url = exchange.path + exchange.search
  app.routing(exchange.req, exchange.res as ServerResponse<IncomingMessage>)
}
