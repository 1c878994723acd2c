import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import '../../net/management.ts'
import { describeRoutes } from '../../net/route-schema.ts'
import { AuditQuery, AuditTrail } from '../../protocol/api/audit.ts'
import type { Store } from '../../store/store.ts'
import { toIso } from './key-view.ts'
import { toPage } from './usage-query.ts'
import type { Workspaces } from './workspaces.ts'

const about = describeRoutes('audit')

/** `/api/audit`: every management change of a workspace. */
export function auditRoutes(
  { db }: Pick<Store, 'db'>,
  workspaces: Workspaces,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/audit',
      about('List management changes, newest first', {
        querystring: AuditQuery,
        response: { 200: AuditTrail },
      }),
      async (request) => {
        const { workspace, action, target, actor, cursor, limit } = request.query
        const found = await db
          .selectFrom('audit')
          .selectAll()
          .where('workspaceId', '=', workspaces.choose(request.principal, workspace))
          .$if(action !== undefined, (query) => query.where('action', '=', action ?? ''))
          .$if(target !== undefined, (query) => query.where('targetId', '=', target ?? ''))
          .$if(actor !== undefined, (query) => query.where('actor', '=', actor ?? ''))
          .$if(cursor !== undefined, (query) => query.where('id', '<', Number(cursor)))
          .orderBy('id', 'desc')
          .limit(limit + 1)
          .execute()
        const { rows, nextCursor } = toPage(found, limit)
        const audit = rows.map(({ at, beforeJson, afterJson, ...row }) => ({
          ...row,
          at: toIso(at),
          before: parseState(beforeJson),
          after: parseState(afterJson),
        }))
        return { audit, nextCursor }
      },
    )
  }
}

function parseState(json: string | null): unknown {
  return json === null ? null : JSON.parse(json)
}
