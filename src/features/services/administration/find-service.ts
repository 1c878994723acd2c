import type { Principal } from '../../../lib/principal.ts'
import type { ServiceAdministration } from './service-administration.ts'
import type { StoredService } from './service-rows.ts'

/**
 * The workspace a management request is about: the key's own, or for an admin the one that is asked for.
 * Throws `not_found` for everybody else's and for what does not exist.
 */
export type ChooseWorkspace = (principal: Principal, asked: string | undefined) => string

/** The service that the path of a request names, by id or name. Throws `not_found`. */
export type FindService = (request: {
  readonly principal: Principal
  readonly params: { readonly id: string }
  readonly query: { readonly workspace?: string | undefined }
}) => StoredService

/** Creates the function. */
export function createFindService(
  services: ServiceAdministration,
  chooseWorkspace: ChooseWorkspace,
): FindService {
  return ({ principal, params, query }) =>
    services.get(principal, chooseWorkspace(principal, query.workspace), params.id)
}
