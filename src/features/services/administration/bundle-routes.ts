import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { Principal } from '../../../lib/principal.ts'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import { BundleList, BundleView } from '../../../protocol/api/service-views.ts'
import { BundleChange, NewBundle } from '../../../protocol/api/services.ts'
import { IdPath, Nothing, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { Bundle } from '../service.ts'
import type { BundleAdministration } from './bundle-administration.ts'
import type { ChooseWorkspace } from './find-service.ts'
import type { ManagedDirectory } from './service-directory.ts'

const about = describeRoutes('bundles')

/** What these routes work on. */
export interface BundleRoutesDeps {
  readonly bundles: BundleAdministration
  readonly directory: ManagedDirectory
  readonly chooseWorkspace: ChooseWorkspace
}

/** The routes `/api/bundles`. */
export function createBundleRoutes(deps: BundleRoutesDeps): FastifyPluginAsyncZod {
  const { bundles, directory, chooseWorkspace } = deps
  return async (app) => {
    app.get(
      '/api/bundles',
      about('List the bundles', { querystring: WorkspaceQuery, response: { 200: BundleList } }),
      async ({ principal, query }) => {
        const workspaceId = chooseWorkspace(principal, query.workspace)
        return { bundles: directory.bundles(workspaceId).map(viewBundle) }
      },
    )
    app.post(
      '/api/bundles',
      about('Create a bundle', {
        querystring: WorkspaceQuery,
        body: NewBundle,
        response: { 201: BundleView },
      }),
      async (request, reply) => {
        const { body, principal, query } = request
        const workspaceId = chooseWorkspace(principal, body.workspaceId ?? query.workspace)
        const bundle = await bundles.create(requesterOf(request), workspaceId, body)
        return reply.code(201).send(viewBundle(bundle))
      },
    )
    await app.register(createOneBundleRoutes(deps))
  }
}

function createOneBundleRoutes({
  bundles,
  chooseWorkspace,
}: BundleRoutesDeps): FastifyPluginAsyncZod {
  const find = ({
    principal,
    params,
    query,
  }: {
    principal: Principal
    params: { id: string }
    query: { workspace?: string | undefined }
  }): Bundle => bundles.get(principal, chooseWorkspace(principal, query.workspace), params.id)
  const asked = { params: IdPath, querystring: WorkspaceQuery }
  return async (app) => {
    app.get(
      '/api/bundles/:id',
      about('Show a bundle', { ...asked, response: { 200: BundleView } }),
      async (request) => viewBundle(find(request)),
    )
    app.patch(
      '/api/bundles/:id',
      about('Change a bundle', { ...asked, body: BundleChange, response: { 200: BundleView } }),
      async (request) =>
        viewBundle(await bundles.update(requesterOf(request), find(request), request.body)),
    )
    app.delete(
      '/api/bundles/:id',
      about('Delete a bundle', { ...asked, response: { 204: Nothing } }),
      async (request, reply) => {
        await bundles.remove(requesterOf(request), find(request))
        return reply.code(204).send()
      },
    )
  }
}

function viewBundle({
  id,
  workspaceId,
  settings,
  createdAt,
  updatedAt,
}: Bundle): z.output<typeof BundleView> {
  return {
    ...settings,
    id,
    workspaceId,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  }
}
