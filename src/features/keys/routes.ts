import type { FastifyPluginAsync } from 'fastify'
import { AppError } from '../../lib/errors.ts'
import { hasScope } from '../../lib/principal.ts'
import type { Store } from '../../store/store.ts'
import { auditRoutes } from './audit-routes.ts'
import { keyRoutes } from './key-routes.ts'
import type { Keys } from './keys.ts'
import { usageRoutes } from './usage-routes.ts'
import { workspaceRoutes } from './workspace-routes.ts'

/** What the management routes of this feature need. */
export interface KeysRoutesDeps {
  readonly store: Pick<Store, 'db'>
  readonly keys: Keys
}

/** `/api/keys`, `/api/workspaces`, `/api/usage` and `/api/audit`. All of them need the scope `manage`. */
export function keysRoutes({ store, keys }: KeysRoutesDeps): FastifyPluginAsync {
  return async (app) => {
    app.addHook('preHandler', async ({ principal }) => {
      if (hasScope(principal, 'manage')) return
      throw new AppError('insufficient_scope', 'This needs a key with the scope manage.')
    })
    await app.register(keyRoutes(keys.administration))
    await app.register(workspaceRoutes(keys.workspaces))
    await app.register(usageRoutes(keys.usage, keys.workspaces))
    await app.register(auditRoutes(store, keys.workspaces))
  }
}
