import type { Service } from '../service.ts'
import type { ServerHello } from '../upstream/connection.ts'

/** The lists of a server. */
export const listKinds = ['tools', 'prompts', 'resources', 'templates'] as const

/** One of the lists. */
export type ListKind = (typeof listKinds)[number]

/** One entry of a list as the server sent it. */
export interface ListedItem {
  /** The name of a tool or prompt, the URI of a resource, the URI template of a template. */
  readonly name: string
  /** The entry, JSON text, byte for byte. */
  readonly json: string
}

/** What a server was found to have. */
export interface FetchedCatalogue {
  readonly hello: ServerHello
  readonly lists: Readonly<Record<ListKind, readonly ListedItem[]>>
}

/** One entry as clients see it. */
export interface PublishedItem {
  /** As clients call it: renamed where the filter says so. */
  readonly name: string
  /** As the server calls it. */
  readonly upstreamName: string
  /** JSON text, with the published name and description. */
  readonly json: string
}

/** One list as clients see it, and the way back to the server's names. */
export interface PublishedList {
  readonly items: readonly PublishedItem[]
  readonly byName: ReadonlyMap<string, PublishedItem>
  /** Published names by name at the server; what is hidden or in quarantine is missing. */
  readonly byUpstreamName: ReadonlyMap<string, PublishedItem>
}

/** The catalogue of one service: approved, filtered, renamed. */
export interface PublishedCatalogue {
  readonly hello: ServerHello
  readonly lists: Readonly<Record<ListKind, PublishedList>>
  /** Epoch ms. */
  readonly fetchedAt: number
  /** The revision of the service at which it was fetched; another one makes the verdict on the era doubtful. */
  readonly revision: string
}

/** What every service is known to have, kept in the store so that lists are answered before anything has started. */
export interface Catalogue {
  /** undefined until the service has been reached once. */
  published(serviceId: string): PublishedCatalogue | undefined
  /** Takes over what was found, and tells which of the published lists are different now. */
  update(
    serviceId: string,
    revision: string,
    fetched: FetchedCatalogue,
  ): Promise<ReadonlySet<ListKind>>
  /** What was found for one user alone, as that user may see it: approved, filtered, renamed. Nothing of it is kept. */
  publish(service: Service, fetched: FetchedCatalogue): PublishedCatalogue
  /** Hears of every service whose published lists changed: by `update`, approval or filter. Returns the function that ends it. */
  onChange(listener: (serviceId: string, kinds: ReadonlySet<ListKind>) => void): () => void
}
