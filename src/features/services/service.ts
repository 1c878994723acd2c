import type { BundleSettings, ServiceSettings } from '../../protocol/api/services.ts'
import type { Secret } from '../../config/secret.ts'

/** A value of the environment or a header, ready for use, or to be asked of each user's own values. */
export type LiveValue =
  | { readonly kind: 'plain'; readonly text: string }
  | { readonly kind: 'secret'; readonly secret: Secret }
  | { readonly kind: 'per-user' }

/** A service in memory. Immutable: a change makes a new object, with another `revision` where its upstream has to be restarted. */
export interface Service {
  readonly id: string
  readonly workspaceId: string
  readonly name: string
  /** Secrets in it are masked; `values` has them. */
  readonly settings: ServiceSettings
  /** The environment of a program, or the headers for a remote server. */
  readonly values: ReadonlyMap<string, LiveValue>
  /** Changes whenever what is started or connected to changes: a hash of upstream, values and era. */
  readonly revision: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** A bundle in memory. Immutable. */
export interface Bundle {
  readonly id: string
  readonly workspaceId: string
  readonly name: string
  readonly settings: BundleSettings
  readonly createdAt: number
  readonly updatedAt: number
}

/** What an MCP path may name. */
export type Named =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'bundle'; readonly bundle: Bundle }

/** All services and bundles in memory, kept in step with the store. The data plane reads here and nowhere else. */
export interface ServiceDirectory {
  service(id: string): Service | undefined
  /** By name or id, of one workspace. Disabled ones too. */
  find(workspaceId: string, nameOrId: string): Named | undefined
  /** By the longest configured path that `path` begins with, in whole segments. */
  findByPath(workspaceId: string, path: string): Service | undefined
  /** Of one workspace, in order of creation. */
  services(workspaceId: string): readonly Service[]
  bundles(workspaceId: string): readonly Bundle[]
  all(): Iterable<Service>
  /** The values that a key has set for the `per-user` values of a service. */
  userValues(serviceId: string, keyId: string): ReadonlyMap<string, Secret>
  /** Hears of every service that was created, changed or removed (then `after` is undefined), once that is effective. */
  onChange(listener: (change: { before?: Service; after?: Service }) => void): () => void
}
