import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { AppError } from '../../../lib/errors.ts'
import { hasScope } from '../../../lib/principal.ts'
import type { Principal } from '../../../lib/principal.ts'
import { notFound, requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import { UserValue, UserValueList, ValuePath } from '../../../protocol/api/service-views.ts'
import { IdPath, Nothing, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { FindService } from './find-service.ts'
import type { ManagedDirectory } from './service-directory.ts'
import type { StoredService } from './service-rows.ts'
import type { UserValues } from './user-values.ts'
import { valuesOf } from './service-values.ts'

const about = describeRoutes('services')

/** What these routes work on. */
export interface ValueRoutesDeps {
  readonly directory: ManagedDirectory
  readonly values: UserValues
  readonly find: FindService
  /** Says whether the service is on the allow-list of the key. */
  readonly mayUse: (principal: Principal, serviceName: string) => boolean
}

/** The values that the asking key gives for itself. Keys with the scope `services:use` alone may ask here. */
export function createValueRoutes(deps: ValueRoutesDeps): FastifyPluginAsyncZod {
  const { directory, values } = deps
  const find: FindService = (request) => {
    const service = deps.find(request)
    if (!hasScope(request.principal, 'manage')) requireUse(deps, request.principal, service)
    return service
  }
  return async (app) => {
    // Before anything of the request is judged, so that other keys learn nothing of what there is.
    app.addHook('preValidation', async ({ principal }) => requireScope(principal))
    app.get(
      '/api/services/:id/values',
      about('Show which values a service wants of each key', {
        params: IdPath,
        querystring: WorkspaceQuery,
        response: { 200: UserValueList },
      }),
      async (request) => {
        const service = find(request)
        const given = directory.userValues(service.id, request.principal.keyId)
        return { values: viewValues(service, (name) => given.has(name)) }
      },
    )
    app.put(
      '/api/services/:id/values/:name',
      about('Give a value for the asking key', {
        params: ValuePath,
        querystring: WorkspaceQuery,
        body: UserValue,
        response: { 204: Nothing },
      }),
      async (request, reply) => {
        const { name } = request.params
        const text = request.body.value
        await values.set(requesterOf(request), find(request), { name, text })
        return reply.code(204).send()
      },
    )
    app.delete(
      '/api/services/:id/values/:name',
      about('Take back a value of the asking key', {
        params: ValuePath,
        querystring: WorkspaceQuery,
        response: { 204: Nothing },
      }),
      async (request, reply) => {
        await values.remove(requesterOf(request), find(request), request.params.name)
        return reply.code(204).send()
      },
    )
  }
}

function requireScope(principal: Principal): void {
  if (hasScope(principal, 'manage') || hasScope(principal, 'services:use')) return
  throw new AppError('insufficient_scope', 'This needs a key with the scope services:use.')
}

/** Throws `not_found`: a key need not know of services that it may not use. */
function requireUse(
  { mayUse }: ValueRoutesDeps,
  principal: Principal,
  { workspaceId, name }: StoredService,
): void {
  const isOwn = workspaceId === principal.workspaceId
  if (isOwn && hasScope(principal, 'services:use') && mayUse(principal, name)) return
  throw notFound('service')
}

function viewValues({ settings }: StoredService, isSet: (name: string) => boolean) {
  return Object.entries(valuesOf(settings.upstream)).flatMap(([name, value]) => {
    if (typeof value !== 'object' || !('perUser' in value)) return []
    return [{ name, description: value.description ?? '', isSet: isSet(name) }]
  })
}
