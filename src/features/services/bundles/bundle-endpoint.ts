import type { Endpoint } from '../relay/relay.ts'
import type { Bundle } from '../service.ts'
import type { BundleDependencies } from './bundle-dependencies.ts'
import { createBundleMemory } from './bundle-memory.ts'
import { BundleRelay } from './bundle-relay.ts'
import { hideTasks } from './without-tasks.ts'
import { createSearchEndpoint } from './search/search-endpoint.ts'

/**
 * The MCP endpoint of a bundle. Whoever has a bundle keeps its endpoint for as long as the bundle is the same object: it
 * remembers, between the requests of modern clients, what names lead where.
 */
export function createBundleEndpoint(deps: BundleDependencies, bundle: Bundle): Endpoint {
  const { id, workspaceId, name, settings } = bundle
  const memory = createBundleMemory()
  const endpoint: Endpoint = {
    id,
    workspaceId,
    name,
    open: (profile) => new BundleRelay({ deps, bundle, memory, profile: hideTasks(profile) }),
  }
  return settings.mode === 'search' ? createSearchEndpoint(endpoint, deps) : endpoint
}
