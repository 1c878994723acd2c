import type { LookupFunction } from 'node:net'
import type { Upstream } from '../../net/outbound.ts'
import { createUndiciUpstream } from '../../net/undici-upstream.ts'
import type { Provider } from './provider.ts'

/** The connections to all providers. */
export interface Upstreams extends AsyncDisposable {
  /** The connections of a provider as it is; made anew when its address or timeouts have changed. */
  of(provider: Provider): Upstream
  /** Lets go of the connections of all other providers, once what runs on them has ended. */
  retain(providers: readonly Provider[]): void
}

interface Entry {
  readonly settings: string
  readonly upstream: Upstream
}

interface UpstreamsDependencies {
  readonly builtin: Upstream
  /** A look-up that refuses addresses this provider must not reach. */
  readonly lookupFor: (provider: Provider) => LookupFunction
}

/** Creates the connections lazily, one pool a provider. Closing it waits for what still runs. */
export function createUpstreams({ builtin, lookupFor }: UpstreamsDependencies): Upstreams {
  const entries = new Map<string, Entry>()
  // A provider object never changes, so what was found for it once stays true until it is replaced.
  let known = new WeakMap<Provider, Upstream>()
  const closing = new Set<Promise<void>>()

  function close(entry: Entry): void {
    const closed = Promise.resolve(entry.upstream[Symbol.asyncDispose]()).finally(() =>
      closing.delete(closed),
    )
    closing.add(closed)
  }

  function open(provider: Provider): Upstream {
    const settings = JSON.stringify([provider.baseUrl, provider.timeouts, provider.allowPrivate])
    const entry = entries.get(provider.id)
    if (entry?.settings === settings) return entry.upstream
    if (entry !== undefined) close(entry)
    const upstream = createUndiciUpstream({
      origin: provider.baseUrl.origin,
      connectMs: provider.timeouts.connectMs,
      firstByteMs: provider.timeouts.firstByteMs,
      idleMs: provider.timeouts.idleMs,
      lookup: lookupFor(provider),
    })
    entries.set(provider.id, { settings, upstream })
    return upstream
  }

  return {
    of(provider) {
      if (provider.kind === 'builtin') return builtin
      const found = known.get(provider)
      if (found !== undefined) return found
      const upstream = open(provider)
      known.set(provider, upstream)
      return upstream
    },
    retain(providers) {
      const ids = new Set(providers.map(({ id }) => id))
      known = new WeakMap()
      for (const [id, entry] of entries) {
        if (ids.has(id)) continue
        entries.delete(id)
        close(entry)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const entry of entries.values()) close(entry)
      entries.clear()
      await Promise.all(closing)
    },
  }
}
