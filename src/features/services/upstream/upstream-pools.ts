import { createGuardedLookup, effectivePort, type ResolveAll } from '../../../net/address-guard.ts'
import type { Upstream } from '../../../net/outbound.ts'
import { createUndiciUpstream } from '../../../net/undici-upstream.ts'

/** A share in the connections to one origin. */
export interface PoolShare {
  readonly upstream: Upstream
  /** Gives it back; the last one closes the connections. Idempotent. */
  release(): void
}

/** The HTTP connections to remote servers, one pool an origin and policy. Disposing of it waits for what still runs. */
export interface UpstreamPools extends AsyncDisposable {
  /** `url` as from `parseOutboundUrl`, under the same policy. */
  acquire(url: URL, policy: { readonly allowPrivate: boolean }): PoolShare
  /** How names are resolved, also for connections that are not pooled. */
  readonly resolve: ResolveAll | undefined
}

const connectMs = 10_000

/** Makes the pools. `resolve` replaces the resolver of the system. */
export function createUpstreamPools(
  options: { readonly resolve?: ResolveAll } = {},
): UpstreamPools {
  const pools = new Map<string, { readonly upstream: Upstream; shares: number }>()
  const closing = new Set<Promise<void>>()
  const close = (upstream: Upstream) => {
    const forget = () => void closing.delete(closed)
    const closed: Promise<void> = Promise.resolve(upstream[Symbol.asyncDispose]()).then(
      forget,
      forget,
    )
    closing.add(closed)
  }
  return {
    resolve: options.resolve,
    acquire(url, { allowPrivate }) {
      const key = `${url.origin} ${allowPrivate}`
      const pool = pools.get(key) ?? {
        upstream: openPool(url, allowPrivate, options.resolve),
        shares: 0,
      }
      pools.set(key, pool)
      pool.shares += 1
      let isHeld = true
      return {
        upstream: pool.upstream,
        release() {
          if (!isHeld) return
          isHeld = false
          pool.shares -= 1
          if (pool.shares > 0) return
          pools.delete(key)
          close(pool.upstream)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { upstream } of pools.values()) close(upstream)
      pools.clear()
      await Promise.all(closing)
    },
  }
}

function openPool(url: URL, allowPrivate: boolean, resolve: ResolveAll | undefined): Upstream {
  return createUndiciUpstream({
    origin: url.origin,
    connectMs,
    // Calls may be silent for as long as whoever made them waits; it cancels what takes too long.
    firstByteMs: 0,
    idleMs: 0,
    lookup: guardedLookup(url, { allowPrivate, resolve }),
  })
}

/** The lookup for connections to `url`: no private address unless that is allowed for its very host. */
export function guardedLookup(
  url: URL,
  policy: { readonly allowPrivate: boolean; readonly resolve: ResolveAll | undefined },
): ReturnType<typeof createGuardedLookup> {
  const allow = policy.allowPrivate ? { host: url.hostname, port: effectivePort(url) } : undefined
  return createGuardedLookup({ allow }, policy.resolve)
}
