import type { IncomingMessage, ServerResponse } from 'node:http'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import type { Principal } from '../lib/principal.ts'
import { readVersion } from '../lib/version.ts'
import type { Exchange } from '../net/exchange.ts'
import { configureManagement } from '../net/management-app.ts'

/** What the management API is made of. */
export interface ManagementDependencies {
  /** Throws when the request carries no key that may manage. */
  readonly authenticate: (exchange: Exchange) => Principal
  /** The routes of the features. */
  readonly plugins: readonly FastifyPluginAsync[]
  readonly bodyBytesMax: number
}

/** The management API: one Fastify application behind the front door. */
export interface Management extends AsyncDisposable {
  handle(exchange: Exchange): void
  /** The OpenAPI 3.1 document of all routes. */
  openApi(): object
}

/** Builds the management API; every route of it demands a key. */
export async function createManagement(dependencies: ManagementDependencies): Promise<Management> {
  const { authenticate, plugins, bodyBytesMax } = dependencies
  const exchanges = new WeakMap<IncomingMessage, Exchange>()
  const app = Fastify({ bodyLimit: bodyBytesMax, exposeHeadRoutes: false })
  configureManagement(app)
  app.decorateRequest('principal')
  app.decorateRequest('inbound')
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Portico management API', version: readVersion() },
      security: [{ bearer: [] }, { apiKey: [] }],
      components: { securitySchemes },
    },
    transform: jsonSchemaTransform,
  })
  app.addHook('onRequest', async (request) => {
    const exchange = exchanges.get(request.raw) as Exchange
    request.inbound = exchange
    request.principal = authenticate(exchange)
  })
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

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer' },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
} as const

/** Fastify reads the target from the request; it gets the one that was checked, without any key in it. */
function route(app: FastifyInstance, exchange: Exchange): void {
  exchange.req.url = exchange.path + exchange.search
  app.routing(exchange.req, exchange.res as ServerResponse<IncomingMessage>)
}
