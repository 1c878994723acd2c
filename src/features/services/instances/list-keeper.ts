import type { Log } from '../../../lib/log.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Service } from '../service.ts'
import { fetchCatalogue } from './fetch-catalogue.ts'
import type { Instance } from './instance.ts'

/** What the lists of a service are kept with. */
export interface ListKeeperDependencies {
  readonly catalogue: Catalogue
  readonly log: Log
  readonly service: () => Service
  /** The instance that is open for clients of this introduction, if there is one. */
  readonly openFor: (introduction: string) => Instance | undefined
}

/** An instance, and as whom Portico introduced itself to it: a server may show less to clients that can do less. */
export interface Source {
  readonly instance: Instance
  readonly introduction: string
}

/** Changes that a server announces together are read together. */
const collectMs = 50

/** Keeps the catalogue in step with what one server says that it has. */
export class ListKeeper {
  readonly #deps: ListKeeperDependencies
  readonly #listeners = new Set<(methods: ReadonlySet<string>) => void>()
  readonly #announced = new Set<string>()
  /** As whom the catalogue was last read. */
  #readAs: string | undefined
  #reading: Promise<void> | undefined
  #collecting: NodeJS.Timeout | undefined

  constructor(deps: ListKeeperDependencies) {
    this.#deps = deps
  }

  /** Hears after the server said that lists changed, once the catalogue has them: the methods of its notifications. Returns the function that ends it. */
  onChanged(listener: (methods: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the lists; calls meanwhile share it. */
  read({ instance, introduction }: Source): Promise<void> {
    this.#reading ??= this.#update(instance, introduction).finally(
      () => (this.#reading = undefined),
    )
    return this.#reading
  }

  /** An instance has opened: its lists are read where nothing is known, or where it is told of a client that can do more. */
  opened(source: Source): void {
    const { catalogue, log, service } = this.#deps
    const published = catalogue.published(service().id)
    const isKnown = published !== undefined && published.revision === service().revision
    const isRicher = this.#readAs === undefined || source.introduction.length > this.#readAs.length
    if (isKnown && !isRicher) return
    // A reading of a poorer instance that is under way is no reading of this one.
    const earlier = isRicher ? this.#reading?.catch(() => undefined) : undefined
    const reading =
      earlier === undefined ? this.read(source) : earlier.then(() => this.read(source))
    reading.catch((error: unknown) => {
      log.warn({ err: error, service: service().name }, 'lists not read')
    })
  }

  /** A server says that a list has changed. */
  announced(source: Source, method: string): void {
    this.#announced.add(method)
    this.#collecting ??= setTimeout(() => {
      this.#follow(source).catch((error: unknown) => {
        this.#deps.log.error({ err: error }, 'a change of lists could not be passed on')
      })
    }, collectMs).unref()
  }

  close(): void {
    clearTimeout(this.#collecting)
  }

  async #follow(source: Source): Promise<void> {
    this.#collecting = undefined
    const methods = new Set(this.#announced)
    this.#announced.clear()
    // A list that changes while it is read has to be read again.
    await this.#reading?.catch(() => undefined)
    const richest = this.#readAs === undefined ? undefined : this.#deps.openFor(this.#readAs)
    const from =
      richest === undefined
        ? source
        : { instance: richest, introduction: this.#readAs ?? source.introduction }
    await this.read(from).catch(() => undefined)
    for (const listener of this.#listeners) listener(methods)
  }

  async #update({ connection }: Instance, introduction: string): Promise<void> {
    const { catalogue, service } = this.#deps
    this.#readAs = introduction
    const { id, revision, settings } = service()
    const fetched = await fetchCatalogue(connection, AbortSignal.timeout(settings.startTimeoutMs))
    await catalogue.update(id, revision, fetched)
  }
}
