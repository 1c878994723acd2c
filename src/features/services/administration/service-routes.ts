import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Log } from '../../../lib/log.ts'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  CreatedMessage,
  DoneMessage,
  ReverseProxyChange,
  ReverseProxyService,
} from '../../../protocol/api/reverse-proxy.ts'
import { ServiceDeletion, ServiceRows, ServiceView } from '../../../protocol/api/service-views.ts'
import { NewService, ServiceChange, ServiceReplacement } from '../../../protocol/api/services.ts'
import { IdPath, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { ServiceControl } from '../instances/service-control.ts'
import { validateByShape } from './body-shape.ts'
import type { ChooseWorkspace, FindService } from './find-service.ts'
import type { ServiceAdministration } from './service-administration.ts'
import type { ManagedDirectory } from './service-directory.ts'
import type { ServiceLogs } from './service-logs.ts'
import type { StoredService } from './service-rows.ts'

const about = describeRoutes('services')

/** What these routes work on. */
export interface ServiceRoutesDeps {
  readonly services: ServiceAdministration
  readonly directory: ManagedDirectory
  readonly control: ServiceControl
  readonly logs: Pick<ServiceLogs, 'remove'>
  readonly log: Log
  readonly chooseWorkspace: ChooseWorkspace
  readonly find: FindService
  readonly view: (service: StoredService) => Promise<z.output<typeof ServiceView>>
}

const validateNew = validateByShape({ usual: NewService, other: ReverseProxyService }, (body) => {
  if ('upstream' in body) return false
  return 'repository' in body || 'proxy' in body || 'process' in body || 'environment' in body
})
const validateReplacement = validateByShape(
  { usual: ServiceReplacement, other: ReverseProxyChange },
  (body) => !('upstream' in body),
)

/** The routes `/api/services` and `/api/services/{id}`, which also speak the contract of MCP Reverse Proxy. */
export function createServiceRoutes(deps: ServiceRoutesDeps): FastifyPluginAsyncZod {
  const { services, directory, chooseWorkspace, find, view } = deps
  return async (app) => {
    app.get(
      '/api/services',
      about('List the services', { querystring: WorkspaceQuery, response: { 200: ServiceRows } }),
      ({ principal, query }) =>
        Promise.all(directory.services(chooseWorkspace(principal, query.workspace)).map(view)),
    )
    app.post(
      '/api/services',
      {
        ...about('Create a service', {
          querystring: WorkspaceQuery,
          body: z.union([NewService, ReverseProxyService]),
          response: { 201: z.union([ServiceView, CreatedMessage]) },
        }),
        validatorCompiler: validateNew,
      },
      async (request, reply) => {
        const { body, principal, query } = request
        const requester = requesterOf(request)
        if (!('upstream' in body)) {
          const workspaceId = chooseWorkspace(principal, query.workspace)
          const { id } = await services.createReverseProxy(requester, workspaceId, body)
          await begin(deps, id, body.autoStart === true ? 'start' : 'stop')
          return reply.code(201).send({ id, message: 'Service created successfully' })
        }
        const workspaceId = chooseWorkspace(principal, body.workspaceId ?? query.workspace)
        const service = await services.create(requester, workspaceId, body)
        if (body.start === 'always' && body.enabled) await begin(deps, service.id, 'start')
        return reply.code(201).send(await view(service))
      },
    )
    app.get(
      '/api/services/:id',
      about('Show a service', {
        params: IdPath,
        querystring: WorkspaceQuery,
        response: { 200: ServiceView },
      }),
      (request) => view(find(request)),
    )
    await app.register(createServiceChangeRoutes(deps))
  }
}

function createServiceChangeRoutes(deps: ServiceRoutesDeps): FastifyPluginAsyncZod {
  const { services, find, view } = deps
  return async (app) => {
    app.put(
      '/api/services/:id',
      {
        ...about('Replace a service', {
          params: IdPath,
          querystring: WorkspaceQuery,
          body: z.union([ServiceReplacement, ReverseProxyChange]),
          response: { 200: z.union([ServiceView, DoneMessage]) },
        }),
        validatorCompiler: validateReplacement,
      },
      async (request) => {
        const { body } = request
        const requester = requesterOf(request)
        if ('upstream' in body) {
          return view(await services.update(requester, find(request), { kind: 'replace', body }))
        }
        await services.update(requester, find(request), { kind: 'reverse-proxy', body })
        return { message: 'Service updated successfully' }
      },
    )
    app.patch(
      '/api/services/:id',
      about('Change a service', {
        params: IdPath,
        querystring: WorkspaceQuery,
        body: ServiceChange,
        response: { 200: ServiceView },
      }),
      async (request) => {
        const edit = { kind: 'change', body: request.body } as const
        return view(await services.update(requesterOf(request), find(request), edit))
      },
    )
    app.delete(
      '/api/services/:id',
      about('Delete a service', {
        params: IdPath,
        querystring: ServiceDeletion,
        response: { 200: DoneMessage },
      }),
      async (request) => {
        const service = find(request)
        await services.remove(requesterOf(request), service, request.query.force)
        await deps.logs.remove(service.id)
        return { message: 'Service deleted successfully' }
      },
    )
  }
}

/** Whether a new service comes up is told by its state; nobody waits for it here. */
async function begin(
  { control, log }: ServiceRoutesDeps,
  serviceId: string,
  verb: 'start' | 'stop',
): Promise<void> {
  const done = Promise.try(() => control[verb](serviceId)).catch((err: unknown) =>
    log.warn({ err, serviceId }, `new service did not ${verb}`),
  )
  if (verb === 'stop') await done
}
