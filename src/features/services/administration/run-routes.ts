import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { Principal } from '../../../lib/principal.ts'
import { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import { DoneMessage, ReverseProxyLogLine } from '../../../protocol/api/reverse-proxy.ts'
import { LogQuery, ServiceHealth, ServiceMetrics } from '../../../protocol/api/service-views.ts'
import { IdPath, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { ServiceControl } from '../instances/service-control.ts'
import type { FindService } from './find-service.ts'
import type { LogStreams } from './log-streams.ts'
import type { ServiceAdministration } from './service-administration.ts'
import { viewLogLine } from './service-logs.ts'
import type { ServiceLogs } from './service-logs.ts'
import { viewServiceHealth, viewServiceMetrics } from './service-view.ts'
import type { ServiceViewDeps } from './service-view.ts'
import type { RunVerb } from './service-writes.ts'

const about = describeRoutes('services')

/** What these routes work on. */
export interface RunRoutesDeps extends ServiceViewDeps {
  readonly services: ServiceAdministration
  readonly control: ServiceControl
  readonly logs: ServiceLogs
  readonly streams: LogStreams
  readonly find: FindService
  /** Says whether the key still works. */
  readonly isUsable: (principal: Principal) => boolean
}

/** What runs of a service: start, stop, restart, refresh, health, metrics and logs. */
export function createRunRoutes(deps: RunRoutesDeps): FastifyPluginAsyncZod {
  return async (app) => {
    await app.register(createVerbRoutes(deps))
    await app.register(createWatchRoutes(deps))
    await app.register(createLogRoutes(deps))
  }
}

const verbs = [
  { verb: 'start', summary: 'Start a service', done: 'Service started successfully' },
  { verb: 'stop', summary: 'Stop a service', done: 'Service stopped successfully' },
  { verb: 'restart', summary: 'Restart a service', done: 'Service restarted successfully' },
] as const satisfies readonly { verb: RunVerb; summary: string; done: string }[]

function createVerbRoutes({ services, control, find }: RunRoutesDeps): FastifyPluginAsyncZod {
  const schema = { params: IdPath, querystring: WorkspaceQuery, response: { 200: DoneMessage } }
  return async (app) => {
    for (const { verb, summary, done } of verbs) {
      app.post(`/api/services/:id/${verb}`, about(summary, schema), async (request) => {
        const service = find(request)
        if (verb !== 'stop' && !service.settings.enabled) throw disabled(service.name)
        // Noted first: what somebody wants of a service holds even if it does not come up now.
        await services.noteRun(requesterOf(request), service, verb)
        await control[verb](service.id)
        return { message: done }
      })
    }
    app.post(
      '/api/services/:id/refresh',
      about('Read the lists of a service anew', schema),
      async (request) => {
        await control.refresh(find(request).id)
        return { message: 'Service refreshed successfully' }
      },
    )
  }
}

function createWatchRoutes(deps: RunRoutesDeps): FastifyPluginAsyncZod {
  const { find } = deps
  const asked = { params: IdPath, querystring: WorkspaceQuery }
  return async (app) => {
    app.get(
      '/api/services/:id/health',
      about('Say how a service is', { ...asked, response: { 200: ServiceHealth } }),
      async (request) => viewServiceHealth(deps, find(request)),
    )
    app.get(
      '/api/services/:id/metrics',
      about('Say what a service uses', { ...asked, response: { 200: ServiceMetrics } }),
      (request) => viewServiceMetrics(deps, find(request)),
    )
  }
}

function createLogRoutes(deps: RunRoutesDeps): FastifyPluginAsyncZod {
  const { logs, streams, find, isUsable } = deps
  return async (app) => {
    app.get(
      '/api/services/:id/logs',
      about('Show the newest log lines of a service', {
        params: IdPath,
        querystring: LogQuery,
        response: { 200: z.array(ReverseProxyLogLine) },
      }),
      async (request) => {
        const { id } = find(request)
        const { limit, search, level } = request.query
        const lines = await logs.read(id, { limit, search, level })
        return lines.map((line) => viewLogLine(id, line))
      },
    )
    app.get(
      '/api/services/:id/logs/stream',
      about('Follow the log of a service, as server-sent events', {
        params: IdPath,
        querystring: WorkspaceQuery,
      }),
      (request, reply) => {
        const { id } = find(request)
        streams.open(reply.raw, {
          requestId: request.inbound.id,
          follow: (listener) => logs.follow(id, listener),
          isAllowed: () => isUsable(request.principal),
        })
        reply.hijack()
      },
    )
  }
}

function disabled(name: string): AppError {
  return new AppError('conflict', `The service "${name}" is disabled.`, {
    hint: 'Enable it first.',
  })
}
