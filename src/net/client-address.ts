import { isIP, isIPv4 } from 'node:net'
import { blockListOf } from './blocked-addresses.ts'
import { unmapAddress } from './ip-address.ts'
import { remember } from './remember.ts'

/**
 * Makes the function that tells the client's address from the peer's address and the `X-Forwarded-For` fields in order of arrival.
 * Peers outside `trustedProxies` (addresses and CIDR ranges) are themselves the client, whatever they claim. Behind a trusted one it is
 * the right-most hop that is not trusted, for everything left of it was written by the client.
 * `Forwarded` and `X-Real-IP` are not read: a proxy that sets one of them passes the others on as the client made them up.
 * Throws a `RangeError` for an entry that is not a range.
 */
export function createClientAddress(
  trustedProxies: readonly string[],
): (peer: string, forwardedFor: readonly string[]) => string {
  if (trustedProxies.length === 0) return unmapAddress
  const trusted = blockListOf(trustedProxies)
  const isTrusted = remember((address) => trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'))
  return (peer, forwardedFor) => {
    let client = unmapAddress(peer)
    if (forwardedFor.length === 0) return client
    const hops = forwardedFor.join(',').split(',')
    while (isTrusted(client)) {
      const hop = parseHop(hops.pop())
      // Beyond an unreadable hop nothing is known; the proxy that vouched for it is the last thing that is.
      if (hop === undefined) return client
      client = hop
    }
    return client
  }
}

/** The address in one element of `X-Forwarded-For`; some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function parseHop(element: string | undefined): string | undefined {
  const text = element?.trim() ?? ''
  const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1')
  return isIP(bare) === 0 ? undefined : unmapAddress(bare)
}
