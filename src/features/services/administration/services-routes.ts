import type { FastifyPluginAsync } from 'fastify'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import { hasScope } from '../../../lib/principal.ts'
import type { Principal } from '../../../lib/principal.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Store } from '../../../store/store.ts'
import type { ManagedCatalogue } from '../catalogue/service-catalogue.ts'
import { createImportRoutes } from '../formats/import-routes.ts'
import { NewService } from '../../../protocol/api/services.ts'
import type { ServiceControl } from '../instances/service-control.ts'
import { createBundleAdministration } from './bundle-administration.ts'
import { createBundleRoutes } from './bundle-routes.ts'
import type { CommandApprovals } from './command-approvals.ts'
import { createCommandRoutes } from './command-routes.ts'
import { createDefinitionRoutes } from './definition-routes.ts'
import { createFindService } from './find-service.ts'
import type { ChooseWorkspace } from './find-service.ts'
import { createLogStreams } from './log-streams.ts'
import { answerInPlainText } from './reverse-proxy-errors.ts'
import { createRunRoutes } from './run-routes.ts'
import { createServiceAdministration } from './service-administration.ts'
import { createServiceChange } from './service-change.ts'
import type { ManagedDirectory } from './service-directory.ts'
import { toLogFrame } from './service-logs.ts'
import type { LogFrame, ServiceLogs } from './service-logs.ts'
import { createServiceRoutes } from './service-routes.ts'
import { viewService } from './service-view.ts'
import { rememberTokens } from './token-count.ts'
import { createUserValues } from './user-values.ts'
import { createValueRoutes } from './value-routes.ts'

/** What the management routes of services work on. */
export interface ServicesRoutesDeps {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly directory: ManagedDirectory
  readonly catalogue: ManagedCatalogue
  readonly control: ServiceControl
  readonly logs: ServiceLogs
  readonly approvals: CommandApprovals
  readonly chooseWorkspace: ChooseWorkspace
  /** Says whether the service of this name is on the allow-list of the key. */
  readonly mayUse: (principal: Principal, serviceName: string) => boolean
  /** Says whether the key still works. */
  readonly isUsable: (principal: Principal) => boolean
  /** Where imported bundles are unpacked. */
  readonly dataDir: string
  /** Estimates the tokens of JSON text. */
  readonly countTokens: (json: string) => number
}

/** The management of services. Disposing of it ends the streams of logs. */
export interface ServicesRoutes extends AsyncDisposable {
  readonly routes: FastifyPluginAsync
  /**
   * Follows the log of the service that `idOrName` names, in frames of MCP Reverse Proxy, for a WebSocket at the path of
   * the event stream. Returns the function that ends it. Throws `not_found`, `insufficient_scope`.
   */
  followLogs(
    principal: Principal,
    idOrName: string,
    listener: (frame: LogFrame) => void,
  ): () => void
}

/** Creates `/api/services` and `/api/bundles` with all that is below them. */
export function createServicesRoutes(deps: ServicesRoutesDeps): ServicesRoutes {
  const { logs, chooseWorkspace } = deps
  const countTokens = rememberTokens(deps.countTokens)
  const change = createServiceChange(deps)
  const services = createServiceAdministration({ ...deps, change })
  const streams = createLogStreams()
  const find = createFindService(services, chooseWorkspace)
  const shared = { ...deps, countTokens, services, streams, find }
  const managed: FastifyPluginAsync = async (app) => {
    app.addHook('preHandler', async ({ principal }) => requireManage(principal))
    await app.register(
      createServiceRoutes({ ...shared, view: (service) => viewService(shared, service) }),
    )
    await app.register(createRunRoutes(shared))
    await app.register(
      createImportRoutes({
        chooseWorkspace,
        dataDir: deps.dataDir,
        services: (workspaceId) => deps.directory.services(workspaceId),
        create: (requester, workspaceId, body) =>
          services.create(requester, workspaceId, NewService.parse(body)),
      }),
    )
    await app.register(createDefinitionRoutes(shared))
    await app.register(createCommandRoutes(deps))
    await app.register(
      createBundleRoutes({ ...deps, bundles: createBundleAdministration({ ...deps, change }) }),
    )
  }
  return {
    async routes(app) {
      app.setErrorHandler(answerInPlainText)
      await app.register(managed)
      await app.register(createValueRoutes({ ...shared, values: createUserValues(deps) }))
    },
    followLogs(principal, idOrName, listener) {
      requireManage(principal)
      const { id } = services.get(principal, principal.workspaceId, idOrName)
      return logs.follow(id, (line) => listener(toLogFrame(line)))
    },
    [Symbol.asyncDispose]: () => streams[Symbol.asyncDispose](),
  }
}

function requireManage(principal: Principal): void {
  if (hasScope(principal, 'manage')) return
  throw new AppError('insufficient_scope', 'This needs a key with the scope manage.')
}
