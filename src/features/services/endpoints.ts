import { BundleEndpoints, isVisible, type BundleEndpointsDependencies } from './bundle-endpoints.ts'
import { createSearchEndpoint } from './bundles/search/search-endpoint.ts'
import { builtinNames, builtinService } from './builtin/builtin-service.ts'
import type { Caller } from './caller.ts'
import type { ResolvedEndpoint } from './client/front-dependencies.ts'
import type { Endpoint } from './relay/relay.ts'
import type { Bundle } from './service.ts'

/** Finds what the paths below `/mcp` lead to, for one caller. */
export interface Endpoints extends Disposable {
  /** `search`: the query of the request, which may ask for another mode. undefined for what there is not, or the caller may not know of. */
  resolve(caller: Caller, segments: readonly string[], search: string): ResolvedEndpoint | undefined
  /** What keys of the workspace may use has changed. */
  keysChanged(workspaceId: string): void
}

/** Creates the finder. Disposing of it ends its hearing of changes. */
export function createEndpoints(deps: BundleEndpointsDependencies): Endpoints {
  const { directory, ofService } = deps
  const bundles = new BundleEndpoints(deps)

  function named(caller: Caller, name: string): Endpoint | undefined {
    const found = directory.find(caller.workspaceId, name)
    switch (found?.kind) {
      case 'bundle':
        return mayUse(found.bundle, caller) ? bundles.of(found.bundle, caller) : undefined
      case 'service':
        return isVisible(found.service, caller) ? ofService(found.service) : undefined
      case undefined:
        return builtin(caller, name)
    }
  }

  function builtin(caller: Caller, asked: string): Endpoint | undefined {
    const name = builtinNames.find((one) => one === asked)
    if (name === undefined || !caller.allowsService(name)) return undefined
    return ofService(builtinService(name, caller.workspaceId))
  }

  function byPath(caller: Caller, segments: readonly string[]): Endpoint | undefined {
    const path = `/${segments.join('/')}`
    const service =
      directory.findByPath(caller.workspaceId, `/mcp${path}`) ??
      directory.findByPath(caller.workspaceId, path)
    return service !== undefined && isVisible(service, caller) ? ofService(service) : undefined
  }

  return {
    resolve(caller, segments, search) {
      const [name, ...others] = segments
      const endpoint =
        name === undefined
          ? bundles.ofEverything(caller)
          : (named(caller, name) ?? byPath(caller, segments))
      if (endpoint === undefined) return undefined
      const wantsSearch = search !== '' && new URLSearchParams(search).get('mode') === 'search'
      const rest = others.length === 0 ? '' : `/${others.join('/')}`
      return { endpoint: wantsSearch ? createSearchEndpoint(endpoint) : endpoint, rest }
    },
    keysChanged: (workspaceId) => bundles.changed(workspaceId),
    [Symbol.dispose]: () => bundles[Symbol.dispose](),
  }
}

/** A key that names services alone may use the bundles that have any of them, as far as those go. */
function mayUse({ name, settings }: Bundle, caller: Caller): boolean {
  if (!settings.enabled) return false
  if (caller.allowsService(name)) return true
  return settings.members.some(({ service }) => caller.allowsService(service))
}
