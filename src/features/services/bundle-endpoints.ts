import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import { createBundleEndpoint } from './bundles/bundle-endpoint.ts'
import type { ChangeKind } from './bundles/list-changes.ts'
import type { Member } from './bundles/member.ts'
import type { Caller } from './caller.ts'
import type { ListKind } from './catalogue/catalogue.ts'
import type { Runtimes } from './instances/runtimes.ts'
import type { Endpoint } from './relay/relay.ts'
import type { Bundle, Service, ServiceDirectory } from './service.ts'

/** What the endpoints of bundles are made of. */
export interface BundleEndpointsDependencies {
  readonly directory: ServiceDirectory
  readonly runtimes: Runtimes
  /** Makes the endpoint of one service. */
  readonly ofService: (service: Service) => Endpoint
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly log: Log
  readonly config: () => { readonly listDeadlineMs: number }
}

/** Hears of what changes in one workspace. */
interface Listener {
  readonly workspaceId: string
  hear(kinds?: readonly ChangeKind[]): void
}

/** Bundles of so many keys keep what they know of their names. */
const endpointsMax = 5000

/** The endpoints of bundles, one for each key that uses them: what is in it depends on what the key may use. */
export class BundleEndpoints implements Disposable {
  readonly #deps: BundleEndpointsDependencies
  readonly #endpoints = new LRUCache<string, { bundle: Bundle; endpoint: Endpoint }>({
    max: endpointsMax,
  })
  readonly #everythings = new Map<string, Bundle>()
  readonly #listeners = new Set<Listener>()
  readonly #leave: readonly (() => void)[]
  readonly #revisions = new Map<string, number>()

  constructor(deps: BundleEndpointsDependencies) {
    this.#deps = deps
    this.#leave = [
      deps.directory.onChange(({ before, after }) => {
        const workspaceId = (after ?? before)?.workspaceId
        if (workspaceId !== undefined) this.changed(workspaceId)
      }),
      deps.runtimes.onAnyListsChanged((serviceId, kinds) => {
        const workspaceId = deps.directory.service(serviceId)?.workspaceId
        if (workspaceId !== undefined) this.changed(workspaceId, toChangeKinds(kinds))
      }),
    ]
  }

  of(bundle: Bundle, caller: Caller): Endpoint {
    const key = `${bundle.workspaceId} ${bundle.id} ${caller.keyId}`
    const known = this.#endpoints.get(key)
    if (known?.bundle === bundle) return known.endpoint
    // Every call asks who the members are; they are the same until something changes.
    let members: { readonly revision: number; readonly list: readonly Member[] } | undefined
    const endpoint = createBundleEndpoint(
      {
        ...this.#deps,
        sealer: this.#deps.secretBox,
        members: () => {
          const revision = this.#revisionOf(bundle)
          if (members?.revision !== revision) {
            members = { revision, list: this.#members(bundle, caller) }
          }
          return members.list
        },
        revision: () => this.#revisionOf(bundle),
        onMembersChanged: (hear) => {
          const listener = { workspaceId: bundle.workspaceId, hear }
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
      },
      bundle,
    )
    this.#endpoints.set(key, { bundle, endpoint })
    return endpoint
  }

  /** The bundle of all services that the caller may use. */
  ofEverything(caller: Caller): Endpoint {
    const { workspaceId } = caller
    const bundle = this.#everythings.get(workspaceId) ?? everythingOf(workspaceId)
    this.#everythings.set(workspaceId, bundle)
    return this.of(bundle, caller)
  }

  /**
   * Members, or what keys may use of them, have changed: in the lists named, or in all. What happens in one workspace is
   * not to be noticed in another.
   */
  changed(workspaceId: string, kinds?: readonly ChangeKind[]): void {
    this.#revisions.set(workspaceId, this.#revisionOf({ workspaceId }) + 1)
    for (const listener of this.#listeners) {
      if (listener.workspaceId === workspaceId) listener.hear(kinds)
    }
  }

  [Symbol.dispose](): void {
    for (const leave of this.#leave) leave()
  }

  #revisionOf({ workspaceId }: Pick<Bundle, 'workspaceId'>): number {
    return this.#revisions.get(workspaceId) ?? 0
  }

  #members({ id, workspaceId, settings }: Bundle, caller: Caller): readonly Member[] {
    const { directory, ofService } = this.#deps
    if (id === everythingId) {
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
}

/** The lists as clients are told of them: templates go with resources. */
function toChangeKinds(kinds: ReadonlySet<ListKind>): readonly ChangeKind[] {
  return [...new Set([...kinds].map((kind) => (kind === 'templates' ? 'resources' : kind)))]
}

/** Says whether the caller may know of the service. */
export function isVisible({ name, settings }: Service, caller: Caller): boolean {
  return settings.enabled && caller.allowsService(name)
}

const everythingId = 'bundle_all'

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
