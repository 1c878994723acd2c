import { isIP } from 'node:net'
import { blockListOf } from './blocked-addresses.ts'
import { remember } from './remember.ts'

/** Under which names a listener may be called. */
export interface HostRules {
  /** The address listened on. */
  readonly listenHost: string
  /** URLs under which this listener is reached; their hosts are allowed. */
  readonly ownUrls: readonly string[]
  /** More hosts: `name`, `name:port`, or `*.name` for every name below it. Without a port, any port. */
  readonly allowedHosts: readonly string[]
}

const loopback = blockListOf(['127.0.0.0/8', '::1'])

/**
 * Makes the function that says whether a `Host` header names this listener.
 *
 * A web page can have a name of its own resolve to our address, and would then talk to us as its own origin (DNS rebinding); the name in `Host`
 * gives it away. Loopback names and addresses are always right. A listener on other addresses accepts every IP literal: a browser that sends one
 * was told that address, not a name that somebody could point elsewhere. Everything else has to be configured.
 */
export function createHostCheck(rules: HostRules): (host: string) => boolean {
  const exact = new Set(['localhost', ...rules.ownUrls.map((url) => new URL(url).host)])
  const suffixes: string[] = ['.localhost']
  for (const host of rules.allowedHosts) {
    if (host.startsWith('*.')) suffixes.push(host.slice(1).toLowerCase())
    else exact.add(host.toLowerCase())
  }
  const acceptsAddresses = !isLoopback(rules.listenHost)
  return remember((host) => {
    const lowerHost = host.toLowerCase()
    const name = hostName(lowerHost)
    if (name === undefined) return false
    if (exact.has(lowerHost) || exact.has(name)) return true
    if (isIP(withoutBrackets(name)) !== 0) return acceptsAddresses || isLoopback(name)
    return suffixes.some((suffix) => name.endsWith(suffix))
  })
}

/** The host without port and root dot, or undefined if it is not `host` or `host:port`. */
function hostName(host: string): string | undefined {
  const parts = /^(\[[\da-f:.]+\]|[\w.-]+?)\.?(?::\d{1,5})?$/.exec(host)
  return parts?.[1]
}

function isLoopback(host: string): boolean {
  const bare = withoutBrackets(host)
  if (bare === 'localhost') return true
  const version = isIP(bare)
  return version !== 0 && loopback.check(bare, version === 4 ? 'ipv4' : 'ipv6')
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}
