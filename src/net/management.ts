import type { Principal } from '../lib/principal.ts'
import type { Inbound } from './exchange.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Set on every management route before its handler runs. */
    principal: Principal
    /** The request as the front door saw it. Set on every management route before its handler runs. */
    inbound: Inbound
  }
}
