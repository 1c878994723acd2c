import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requesterOf, requireAdmin } from '../../net/requester.ts'
import { describeRoutes } from '../../net/route-schema.ts'
import {
  IdPath,
  Nothing,
  WorkspaceDraft,
  WorkspaceList,
  WorkspaceView,
} from '../../protocol/api/workspaces.ts'
import { toWorkspaceView, type Workspaces } from './workspaces.ts'

const about = describeRoutes('workspaces')

/** `/api/workspaces`: any managing key sees its own, an admin sees and changes all. */
export function workspaceRoutes(workspaces: Workspaces): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/workspaces',
      about('List the workspaces this key may see', { response: { 200: WorkspaceList } }),
      async ({ principal }) => ({ workspaces: workspaces.list(principal).map(toWorkspaceView) }),
    )

    app.post(
      '/api/workspaces',
      about('Create a workspace', { body: WorkspaceDraft, response: { 201: WorkspaceView } }),
      async (request, reply) => {
        const admin = requireAdmin(requesterOf(request))
        return reply
          .code(201)
          .send(toWorkspaceView(await workspaces.create(admin, request.body.name)))
      },
    )

    app.get(
      '/api/workspaces/:id',
      about('Show a workspace', { params: IdPath, response: { 200: WorkspaceView } }),
      async ({ principal, params }) => toWorkspaceView(workspaces.get(principal, params.id)),
    )

    app.patch(
      '/api/workspaces/:id',
      about('Rename a workspace', {
        params: IdPath,
        body: WorkspaceDraft,
        response: { 200: WorkspaceView },
      }),
      async (request) => {
        const { id } = workspaces.get(request.principal, request.params.id)
        const admin = requireAdmin(requesterOf(request))
        return toWorkspaceView(await workspaces.rename(admin, id, request.body.name))
      },
    )

    app.delete(
      '/api/workspaces/:id',
      about('Delete a workspace with all it owns', { params: IdPath, response: { 204: Nothing } }),
      async (request, reply) => {
        const { id } = workspaces.get(request.principal, request.params.id)
        await workspaces.remove(requireAdmin(requesterOf(request)), id)
        return reply.code(204).send()
      },
    )
  }
}
