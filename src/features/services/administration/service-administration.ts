import type { z } from 'zod'
import type { Principal } from '../../../lib/principal.ts'
import { maySee, notFound } from '../../../net/requester.ts'
import type { Requester } from '../../../net/requester.ts'
import type { ReverseProxyService } from '../../../protocol/api/reverse-proxy.ts'
import type { NewService } from '../../../protocol/api/services.ts'
import { freeName } from './free-names.ts'
import { draftReverseProxyService } from './reverse-proxy-draft.ts'
import type { ChangeServices } from './service-change.ts'
import { draftService } from './service-draft.ts'
import { newServiceId } from './service-names.ts'
import type { DesiredState, ServiceDraft, StoredService } from './service-rows.ts'
import { createServiceWrites } from './service-writes.ts'
import type { RunVerb, ServiceEdit, ServiceWritesDeps } from './service-writes.ts'

/** What the administration of services works on. */
export interface ServiceAdministrationDeps extends ServiceWritesDeps {
  readonly change: ChangeServices
}

/**
 * The management of services. A foreign or unknown id is `not_found`. Changes throw `conflict` for a name or path that is
 * taken, `reserved_name`, `invalid_request`, `destination_not_allowed`, `insufficient_scope`.
 */
export interface ServiceAdministration {
  /** By id, or by name in `workspaceId`. */
  get(principal: Principal, workspaceId: string, idOrName: string): StoredService
  create(
    requester: Requester,
    workspaceId: string,
    body: z.output<typeof NewService>,
  ): Promise<StoredService>
  /** As `create`, for a service as MCP Reverse Proxy describes it. It stays stopped until it is started. */
  createReverseProxy(
    requester: Requester,
    workspaceId: string,
    body: z.output<typeof ReverseProxyService>,
  ): Promise<StoredService>
  update(requester: Requester, service: StoredService, edit: ServiceEdit): Promise<StoredService>
  /** Throws `conflict` while bundles have it as a member, unless forced. */
  remove(requester: Requester, service: StoredService, force: boolean): Promise<void>
  /** Notes that somebody had the service started, stopped or restarted by hand. */
  noteRun(requester: Requester, service: StoredService, verb: RunVerb): Promise<void>
}

/** Creates the management of services. */
export function createServiceAdministration(
  deps: ServiceAdministrationDeps,
): ServiceAdministration {
  const { directory, change, clock } = deps
  const writes = createServiceWrites(deps)

  function live(id: string): StoredService {
    const service = directory.service(id)
    if (service === undefined) throw notFound('service')
    return service
  }

  async function insert(
    requester: Requester,
    { workspaceId, desiredState }: { workspaceId: string; desiredState: DesiredState },
    makeDraft: () => ServiceDraft,
  ): Promise<StoredService> {
    const place = { id: newServiceId(clock.now()), workspaceId, desiredState }
    await change(workspaceId, requester, (trx) =>
      // Made only now, when nothing else changes which names are free.
      Promise.try(makeDraft).then((draft) => writes.insert(trx, requester, { ...place, draft })),
    )
    return live(place.id)
  }

  return {
    get(principal, workspaceId, idOrName) {
      const named = directory.find(workspaceId, idOrName)
      const id = named?.kind === 'service' ? named.service.id : idOrName
      const service = live(id)
      if (!maySee(principal, service.workspaceId)) throw notFound('service')
      return service
    },
    create: (requester, workspaceId, body) =>
      insert(requester, { workspaceId, desiredState: 'auto' }, () => draftService(body)),
    createReverseProxy: (requester, workspaceId, body) =>
      insert(
        requester,
        { workspaceId, desiredState: body.autoStart === true ? 'started' : 'stopped' },
        () => draftReverseProxyService(body, freeName(directory, { workspaceId }, body.name)),
      ),
    async update(requester, { id, workspaceId }, edit) {
      await change(workspaceId, requester, (trx) =>
        writes.update(trx, requester, { service: live(id), edit }),
      )
      return live(id)
    },
    remove: (requester, { id, workspaceId }, force) =>
      change(workspaceId, requester, (trx) => writes.remove(trx, live(id), force)),
    noteRun: (requester, { id, workspaceId }, verb) =>
      change(workspaceId, requester, (trx) => writes.noteRun(trx, live(id), verb)),
  }
}
