import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { maySee, notFound, requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  AliasChange,
  AliasList,
  AliasView,
  NewAlias,
  ResolveQuery,
  ResolveReport,
} from '../../../protocol/api/aliases.ts'
import { IdPath, Nothing, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { AliasAdministration } from './alias-administration.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Cooldown } from '../routing/cooldown.ts'
import { reportResolution } from './resolve-report.ts'
import type { ResolvingKey } from './resolve-report.ts'
import type { ChooseWorkspace } from './choose-workspace.ts'

const about = describeRoutes('aliases')

/** What the routes of aliases need beside their administration. */
export interface AliasRoutesDeps {
  readonly aliases: AliasAdministration
  readonly catalogue: Catalogue
  readonly cooldown: Cooldown
  readonly chooseWorkspace: ChooseWorkspace
  /** A key by its id; undefined where there is none. */
  readonly findKey: (keyId: string) => ResolvingKey | undefined
}

/** The routes `/api/aliases`, the dry run among them. */
export function createAliasRoutes(deps: AliasRoutesDeps): FastifyPluginAsyncZod {
  const { aliases, chooseWorkspace, findKey } = deps
  return async (app) => {
    app.get(
      '/api/aliases',
      about('List the aliases', { querystring: WorkspaceQuery, response: { 200: AliasList } }),
      async ({ principal, query }) => {
        const workspaceId = chooseWorkspace(principal, query.workspace)
        return { aliases: await aliases.list(workspaceId) }
      },
    )
    app.get(
      '/api/aliases/resolve',
      about('Show where a request for a model would go', {
        querystring: ResolveQuery,
        response: { 200: ResolveReport },
      }),
      async ({ principal, query }) => {
        const key = findKey(query.keyId ?? principal.keyId)
        if (key === undefined || !maySee(principal, key.workspaceId)) throw notFound('key')
        return reportResolution(deps, key, query.model)
      },
    )
    app.post(
      '/api/aliases',
      about('Create an alias', {
        querystring: WorkspaceQuery,
        body: NewAlias,
        response: { 201: AliasView },
      }),
      async (request, reply) => {
        const { body, principal, query } = request
        const workspaceId = chooseWorkspace(principal, body.workspaceId ?? query.workspace)
        const created = await aliases.create(requesterOf(request), workspaceId, body)
        return reply.code(201).send(created)
      },
    )
    app.get(
      '/api/aliases/:id',
      about('Show an alias', { params: IdPath, response: { 200: AliasView } }),
      (request) => aliases.get(requesterOf(request), request.params.id),
    )
    app.patch(
      '/api/aliases/:id',
      about('Change an alias', { params: IdPath, body: AliasChange, response: { 200: AliasView } }),
      (request) => aliases.update(requesterOf(request), request.params.id, request.body),
    )
    app.delete(
      '/api/aliases/:id',
      about('Delete an alias', { params: IdPath, response: { 204: Nothing } }),
      async (request, reply) => {
        await aliases.remove(requesterOf(request), request.params.id)
        return reply.code(204).send()
      },
    )
  }
}
