import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import {
  IdPath,
  Nothing,
  WorkspaceDraft,
  WorkspaceList,
  WorkspaceView,
} from '../../protocol/api/workspaces.ts'
import { toIso } from './key-view.ts'
import { requesterOf, requireAdmin } from './requester.ts'
import type { Workspace, Workspaces } from './workspaces.ts'

/** `/api/workspaces`: any managing key sees its own, an admin sees and changes all. */
export function workspaceRoutes(workspaces: Workspaces): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/workspaces',
      { schema: { tags, response: { 200: WorkspaceList } } },
      async (request) => ({ workspaces: workspaces.list(requesterOf(request)).map(toView) }),
    )

    app.post(
      '/api/workspaces',
      { schema: { tags, body: WorkspaceDraft, response: { 201: WorkspaceView } } },
      async (request, reply) => {
        const admin = requireAdmin(requesterOf(request))
        return reply.code(201).send(toView(await workspaces.create(admin, request.body.name)))
      },
    )

    app.get(
      '/api/workspaces/:id',
      { schema: { tags, params: IdPath, response: { 200: WorkspaceView } } },
      async (request) => toView(workspaces.get(requesterOf(request), request.params.id)),
    )

    app.patch(
      '/api/workspaces/:id',
      { schema: { tags, params: IdPath, body: WorkspaceDraft, response: { 200: WorkspaceView } } },
      async (request) => {
        const { id } = workspaces.get(requesterOf(request), request.params.id)
        const admin = requireAdmin(requesterOf(request))
        return toView(await workspaces.rename(admin, id, request.body.name))
      },
    )

    app.delete(
      '/api/workspaces/:id',
      { schema: { tags, params: IdPath, response: { 204: Nothing } } },
      async (request, reply) => {
        const { id } = workspaces.get(requesterOf(request), request.params.id)
        await workspaces.remove(requireAdmin(requesterOf(request)), id)
        return reply.code(204).send()
      },
    )
  }
}

const tags = ['workspaces']

function toView({ id, name, createdAt, updatedAt }: Workspace) {
  return { id, name, createdAt: toIso(createdAt), updatedAt: toIso(updatedAt) }
}
