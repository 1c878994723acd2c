import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  NewProvider,
  ProviderChange,
  ProviderList,
  ProviderReport,
  ProviderView,
} from '../../../protocol/api/providers.ts'
import { IdPath, Nothing, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { ProviderAdministration } from './provider-administration.ts'
import type { ChooseWorkspace } from './choose-workspace.ts'

const about = describeRoutes('providers')

const DeleteQuery = z.strictObject({
  force: z
    .stringbool()
    .default(false)
    .describe('Delete although aliases use the provider; they lose that target.'),
})

/** The routes `/api/providers`. */
export function createProviderRoutes(
  providers: ProviderAdministration,
  chooseWorkspace: ChooseWorkspace,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/providers',
      about('List the providers', { querystring: WorkspaceQuery, response: { 200: ProviderList } }),
      async ({ principal, query }) => {
        const workspaceId = chooseWorkspace(principal, query.workspace)
        return { providers: await providers.list(workspaceId) }
      },
    )
    app.post(
      '/api/providers',
      about('Create a provider', {
        querystring: WorkspaceQuery,
        body: NewProvider,
        response: { 201: ProviderView },
      }),
      async (request, reply) => {
        const { body, principal, query } = request
        const workspaceId = chooseWorkspace(principal, body.workspaceId ?? query.workspace)
        const created = await providers.create(requesterOf(request), workspaceId, body)
        return reply.code(201).send(created)
      },
    )
    app.get(
      '/api/providers/:id',
      about('Show a provider', { params: IdPath, response: { 200: ProviderView } }),
      (request) => providers.get(requesterOf(request), request.params.id),
    )
    app.patch(
      '/api/providers/:id',
      about('Change a provider', {
        params: IdPath,
        body: ProviderChange,
        response: { 200: ProviderView },
      }),
      (request) => providers.update(requesterOf(request), request.params.id, request.body),
    )
    app.delete(
      '/api/providers/:id',
      about('Delete a provider', {
        params: IdPath,
        querystring: DeleteQuery,
        response: { 204: Nothing },
      }),
      async (request, reply) => {
        await providers.remove(requesterOf(request), request.params.id, request.query.force)
        return reply.code(204).send()
      },
    )
    app.post(
      '/api/providers/:id/check',
      about('Ask a provider for its models', { params: IdPath, response: { 200: ProviderReport } }),
      (request) => providers.check(requesterOf(request), request.params.id),
    )
  }
}
