import type { IncomingMessage } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import type { Principal } from '../../src/lib/principal.ts'
import type { Inbound } from '../../src/net/exchange.ts'
import { configureManagement } from '../../src/net/management-app.ts'

/** Who asks in a test of management routes; swap `principal` to ask as somebody else. */
export interface Asker {
  principal: Principal
}

/**
 * A Fastify application with the set-up of the management API and one feature’s routes, for `app.inject`.
 * Every request is already authenticated as `asker.principal`. The caller closes it (`await using`).
 */
export async function createManagementApp(
  plugin: FastifyPluginAsync,
  asker: Asker,
): Promise<FastifyInstance> {
  const app = Fastify()
  app.decorateRequest('principal')
  app.decorateRequest('inbound')
  app.addHook('onRequest', async (request) => {
    request.principal = asker.principal
    request.inbound = inboundOf(request.raw)
  })
  configureManagement(app, () => ({ bytesMax: 1024 * 1024, stallMs: 1_000 }))
  await app.register(plugin)
  await app.ready()
  return app
}

function inboundOf(req: IncomingMessage): Inbound {
  const url = req.url ?? '/'
  const queryAt = url.indexOf('?')
  return {
    req,
    id: 'req_test',
    path: queryAt === -1 ? url : url.slice(0, queryAt),
    search: queryAt === -1 ? '' : url.slice(queryAt),
    credentials: [],
    ip: '127.0.0.1',
    startedAt: performance.now(),
    note: { plane: 'management' },
  }
}
