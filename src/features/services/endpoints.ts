import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import { createBundleEndpoint } from './bundles/bundle-endpoint.ts'
import type { ChangeKind } from './bundles/list-changes.ts'
import type { Member } from './bundles/member.ts'
import { createSearchEndpoint } from './bundles/search/search-endpoint.ts'
import type { Caller } from './caller.ts'
import type { ResolvedEndpoint } from './client/front-dependencies.ts'
import type { Runtimes } from './instances/runtimes.ts'
import type { Endpoint } from './relay/relay.ts'
import type { Bundle, Service, ServiceDirectory } from './service.ts'

/** What endpoints are found in and made of. */
export interface EndpointsDependencies {
  readonly directory: ServiceDirectory
  readonly runtimes: Runtimes
  /** Makes the endpoint of one service. */
  readonly ofService: (service: Service) => Endpoint
  /** The services that are part of Portico, by name. */
  readonly builtins: ReadonlyMap<string, (workspaceId: string) => Service>
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly config: () => { readonly listDeadlineMs: number }
}

/** Finds what the paths below `/mcp` lead to, for one caller. */
export interface Endpoints extends Disposable {
  /** `search`: the query of the request, which may ask for another mode. undefined for what there is not, or the caller may not know of. */
  resolve(caller: Caller, segments: readonly string[], search: string): ResolvedEndpoint | undefined
  /** What the allow-lists of keys say has changed. */
  keysChanged(): void
}

/** Bundles of so many keys keep what they know of their names. */
const bundlesMax = 5000

/** Creates the finder. Disposing of it ends its hearing of changes. */
export function createEndpoints(deps: EndpointsDependencies): Endpoints {
  const { directory, runtimes, ofService, builtins } = deps
  const bundles = new LRUCache<string, { readonly bundle: Bundle; readonly endpoint: Endpoint }>({
    max: bundlesMax,
  })
  const everythings = new Map<string, Bundle>()
  const listeners = new Set<(kinds?: readonly ChangeKind[]) => void>()
  let revision = 0
  const changed = (kinds?: readonly ChangeKind[]) => {
    revision += 1
    for (const listener of listeners) listener(kinds)
  }
  const leave = [
    directory.onChange(() => changed()),
    runtimes.onAnyListsChanged((kinds) =>
      changed([...new Set([...kinds].map((kind) => (kind === 'templates' ? 'resources' : kind)))]),
    ),
  ]

  function bundleEndpoint(bundle: Bundle, caller: Caller): Endpoint {
    const key = `${bundle.workspaceId} ${bundle.id} ${caller.keyId}`
    const known = bundles.get(key)
    if (known?.bundle === bundle) return known.endpoint
    const endpoint = createBundleEndpoint(
      {
        ...deps,
        sealer: deps.secretBox,
        members: () => membersOf(bundle, caller),
        revision: () => revision,
        onMembersChanged(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
      },
      bundle,
    )
    bundles.set(key, { bundle, endpoint })
    return endpoint
  }

  function membersOf(bundle: Bundle, caller: Caller): readonly Member[] {
    const { workspaceId, settings } = bundle
    if (bundle.id === everythingId) {
      return directory
        .services(workspaceId)
        .filter((service) => isVisible(service, caller))
        .map((service) => ({ name: service.name, endpoint: ofService(service) }))
    }
    return settings.members.flatMap(({ service: name, alias, filter }) => {
      const named = directory.find(workspaceId, name)
      if (named?.kind !== 'service' || !isVisible(named.service, caller)) return []
      return [{ name: alias ?? named.service.name, endpoint: ofService(named.service), filter }]
    })
  }

  function everything(caller: Caller): Endpoint {
    const { workspaceId } = caller
    const bundle = everythings.get(workspaceId) ?? everythingOf(workspaceId)
    everythings.set(workspaceId, bundle)
    return bundleEndpoint(bundle, caller)
  }

  function named(caller: Caller, name: string): Endpoint | undefined {
    const found = directory.find(caller.workspaceId, name)
    if (found?.kind === 'bundle') {
      const isUsable = found.bundle.settings.enabled && mayUseBundle(found.bundle, caller)
      return isUsable ? bundleEndpoint(found.bundle, caller) : undefined
    }
    if (found?.kind === 'service') {
      return isVisible(found.service, caller) ? ofService(found.service) : undefined
    }
    const builtin = builtins.get(name)?.(caller.workspaceId)
    return builtin !== undefined && caller.allowsService(name) ? ofService(builtin) : undefined
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
        name === undefined ? everything(caller) : (named(caller, name) ?? byPath(caller, segments))
      if (endpoint === undefined) return undefined
      const wantsSearch = new URLSearchParams(search).get('mode') === 'search'
      const rest = others.length === 0 ? '' : `/${others.join('/')}`
      return { endpoint: wantsSearch ? createSearchEndpoint(endpoint) : endpoint, rest }
    },
    keysChanged: () => changed(),
    [Symbol.dispose]() {
      for (const end of leave) end()
    },
  }
}

function isVisible({ name, settings }: Service, caller: Caller): boolean {
  return settings.enabled && caller.allowsService(name)
}

/** A key that names services alone may use the bundles that have any of them, as far as those go. */
function mayUseBundle({ name, settings }: Bundle, caller: Caller): boolean {
  if (caller.allowsService(name)) return true
  return settings.members.some(({ service }) => caller.allowsService(service))
}

const everythingId = 'bundle_all'

/** The bundle of all services of a workspace. */
function everythingOf(workspaceId: string): Bundle {
  return {
    id: everythingId,
    workspaceId,
    name: 'all',
    settings: {
      name: 'all',
      description: '',
      enabled: true,
      members: [],
      naming: 'on-collision',
      mode: 'list',
      instructions: '',
    },
    createdAt: 0,
    updatedAt: 0,
  }
}
