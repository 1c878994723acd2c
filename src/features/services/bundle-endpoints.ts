import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import { createBundleEndpoint } from './bundles/bundle-endpoint.ts'
import type { ChangeKind } from './bundles/list-changes.ts'
import type { Member } from './bundles/member.ts'
import type { Caller } from './caller.ts'
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

/** Bundles of so many keys keep what they know of their names. */
const endpointsMax = 5000

/** The endpoints of bundles, one for each key that uses them: what is in it depends on what the key may use. */
export class BundleEndpoints implements Disposable {
  readonly #deps: BundleEndpointsDependencies
  readonly #endpoints = new LRUCache<string, { bundle: Bundle; endpoint: Endpoint }>({
    max: endpointsMax,
  })
  readonly #everythings = new Map<string, Bundle>()
  readonly #listeners = new Set<(kinds?: readonly ChangeKind[]) => void>()
  readonly #leave: readonly (() => void)[]
  #revision = 0

  constructor(deps: BundleEndpointsDependencies) {
    this.#deps = deps
    this.#leave = [
      deps.directory.onChange(() => this.changed()),
      deps.runtimes.onAnyListsChanged((kinds) =>
        this.changed([...kinds].map((kind) => (kind === 'templates' ? 'resources' : kind))),
      ),
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
          if (members?.revision !== this.#revision) {
            members = { revision: this.#revision, list: this.#members(bundle, caller) }
          }
          return members.list
        },
        revision: () => this.#revision,
        onMembersChanged: (listener) => {
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

  /** Members, or what keys may use of them, have changed: in the lists named, or in all. */
  changed(kinds?: readonly ChangeKind[]): void {
    this.#revision += 1
    for (const listener of this.#listeners) listener(kinds)
  }

  [Symbol.dispose](): void {
    for (const leave of this.#leave) leave()
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
