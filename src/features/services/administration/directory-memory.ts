import type { Bundle, Named, Service, ServiceDirectory } from '../service.ts'
import type { StoredService } from './service-rows.ts'

type Listener = Parameters<ServiceDirectory['onChange']>[0]

/** Everything of one workspace, compiled for looking up. Immutable. */
interface WorkspaceDirectory {
  readonly services: readonly StoredService[]
  readonly bundles: readonly Bundle[]
  readonly byName: ReadonlyMap<string, Named>
  readonly byPath: ReadonlyMap<string, StoredService>
}

const emptyWorkspace: WorkspaceDirectory = {
  services: [],
  bundles: [],
  byName: new Map(),
  byPath: new Map(),
}

/** The services and bundles of all workspaces. A workspace is swapped as a whole. */
export class DirectoryMemory {
  readonly services = new Map<string, StoredService>()
  readonly bundles = new Map<string, Bundle>()
  readonly #workspaces = new Map<string, WorkspaceDirectory>()
  readonly #listeners = new Set<Listener>()

  workspace(id: string): WorkspaceDirectory {
    return this.#workspaces.get(id) ?? emptyWorkspace
  }

  /** By id, or by name; ids of other workspaces do not count. */
  find(workspaceId: string, nameOrId: string): Named | undefined {
    const service = this.services.get(nameOrId)
    if (service?.workspaceId === workspaceId) return { kind: 'service', service }
    const bundle = this.bundles.get(nameOrId)
    if (bundle?.workspaceId === workspaceId) return { kind: 'bundle', bundle }
    return this.workspace(workspaceId).byName.get(nameOrId)
  }

  findByPath(workspaceId: string, path: string): StoredService | undefined {
    const { byPath } = this.workspace(workspaceId)
    if (byPath.size === 0) return undefined
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const service = byPath.get(path.slice(0, end))
      if (service !== undefined) return service
    }
    return undefined
  }

  /** Takes over what a workspace has, and tells everybody of the services that differ. */
  swap(workspaceId: string, services: readonly StoredService[], bundles: readonly Bundle[]): void {
    const before = this.workspace(workspaceId)
    for (const { id } of before.services) this.services.delete(id)
    for (const { id } of before.bundles) this.bundles.delete(id)
    for (const service of services) this.services.set(service.id, service)
    for (const bundle of bundles) this.bundles.set(bundle.id, bundle)
    if (services.length + bundles.length === 0) this.#workspaces.delete(workspaceId)
    else this.#workspaces.set(workspaceId, compile(services, bundles))
    for (const change of differences(before.services, services)) {
      for (const listener of this.#listeners) listener(change)
    }
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

function compile(
  services: readonly StoredService[],
  bundles: readonly Bundle[],
): WorkspaceDirectory {
  const named: [string, Named][] = [
    ...bundles.map((bundle): [string, Named] => [bundle.name, { kind: 'bundle', bundle }]),
    ...services.map((service): [string, Named] => [service.name, { kind: 'service', service }]),
  ]
  const withPath = services.flatMap((service): [string, StoredService][] =>
    service.settings.path === null ? [] : [[service.settings.path, service]],
  )
  return { services, bundles, byName: new Map(named), byPath: new Map(withPath) }
}

function differences(
  before: readonly Service[],
  after: readonly Service[],
): { before?: Service; after?: Service }[] {
  const earlier = new Map(before.map((service) => [service.id, service]))
  const changes: { before?: Service; after?: Service }[] = []
  for (const service of after) {
    const known = earlier.get(service.id)
    earlier.delete(service.id)
    if (known === undefined) changes.push({ after: service })
    else if (known !== service) changes.push({ before: known, after: service })
  }
  return [...changes, ...[...earlier.values()].map((gone) => ({ before: gone }))]
}
