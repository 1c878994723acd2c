import type { LookupFunction } from 'node:net'
import type { Upstream } from '../../../net/outbound.ts'
import { createUndiciUpstream } from '../../../net/undici-upstream.ts'
import type { Provider } from '../catalogue/provider.ts'

/** The connections to all providers. */
export interface Upstreams extends AsyncDisposable {
  /** The connections of a provider as it is; made anew when its address or timeouts have changed. */
  of(provider: Provider): Upstream
  /** Lets go of the connections of all other providers, once what runs on them has ended. */
  retain(providers: readonly Provider[]): void
}

interface UpstreamsDependencies {
  readonly builtin: Upstream
  /** A look-up that refuses addresses this provider must not reach. */
  readonly lookupFor: (provider: Provider) => LookupFunction
}

/** Creates the connections lazily, one pool a provider. Closing it waits for what still runs. */
export function createUpstreams({ builtin, lookupFor }: UpstreamsDependencies): Upstreams {
  // By settings and not by provider: a call that began before a change may still need the old ones.
  const pools = new Map<string, Upstream>()
  // A provider object never changes, so what was found for it once stays true until pools are closed.
  let known = new WeakMap<Provider, Upstream>()
  const closing = new Set<Promise<void>>()

  function close(upstream: Upstream): void {
    const closed = Promise.resolve(upstream[Symbol.asyncDispose]()).finally(() =>
      closing.delete(closed),
    )
    closing.add(closed)
  }

  function open(provider: Provider): Upstream {
    const { origin } = provider.baseUrl
    const { connectMs, firstByteMs, idleMs } = provider.timeouts
    return createUndiciUpstream({
      origin,
      connectMs,
      firstByteMs,
      idleMs,
      lookup: lookupFor(provider),
    })
  }

  return {
    of(provider) {
      if (provider.kind === 'builtin') return builtin
      const found = known.get(provider)
      if (found !== undefined) return found
      const settings = settingsOf(provider)
      const upstream = pools.get(settings) ?? open(provider)
      pools.set(settings, upstream)
      known.set(provider, upstream)
      return upstream
    },
    retain(providers) {
      const needed = new Set(providers.map(settingsOf))
      known = new WeakMap()
      for (const [settings, upstream] of pools) {
        if (needed.has(settings)) continue
        pools.delete(settings)
        close(upstream)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const upstream of pools.values()) close(upstream)
      pools.clear()
      await Promise.all(closing)
    },
  }
}

/** Everything that makes two sets of connections differ. */
function settingsOf({ id, baseUrl, timeouts, allowPrivate }: Provider): string {
  return JSON.stringify([id, baseUrl, timeouts, allowPrivate])
}
