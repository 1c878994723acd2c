import type { Service } from '../service.ts'
import type { Endpoint } from './relay.ts'
import { ServiceRelay, type ServiceRelayDependencies } from './service-relay.ts'

/** Makes the endpoint of one service. What `deps` gives is asked for anew with each call, so that changes count at once. */
export function createServiceEndpoint(
  service: Pick<Service, 'id' | 'workspaceId' | 'name'>,
  deps: ServiceRelayDependencies,
): Endpoint {
  return {
    id: service.id,
    workspaceId: service.workspaceId,
    name: service.name,
    open: (profile) => new ServiceRelay(deps, profile),
  }
}
