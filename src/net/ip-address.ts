import { isIPv6 } from 'node:net'

/**
 * The eight 16-bit groups of an IPv6 address, or undefined if `text` is not one. A zone (`%eth0`) is ignored.
 */
export function ipv6Groups(text: string): number[] | undefined {
  if (!isIPv6(text)) return undefined
  const [address = ''] = text.split('%', 1)
  const [head = '', tail] = hexTail(address).split('::')
  const left = toGroups(head)
  const right = toGroups(tail ?? '')
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

/** An IPv4-mapped address (`::ffff:192.0.2.1`, as dual-stack sockets name their peers) as plain IPv4; anything else as it is. */
export function unmapAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** The four bytes that two groups of an IPv6 address hold, as an IPv4 address. */
export function groupsToIpv4(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** What counts as one client: an IPv4 address, or the /64 of an IPv6 address, for a subscriber has the whole of it. */
export function clientNetwork(address: string): string {
  const groups = ipv6Groups(unmapAddress(address))
  if (groups === undefined) return unmapAddress(address)
  const prefix = groups.slice(0, 4).map((group) => group.toString(16))
  return `${prefix.join(':')}::/64`
}

/** Rewrites a dotted end (`::192.0.2.1`) in hexadecimal groups. */
function hexTail(address: string): string {
  const dotted = address.lastIndexOf(':') + 1
  if (!address.includes('.', dotted)) return address
  const [a = 0, b = 0, c = 0, d = 0] = address.slice(dotted).split('.').map(Number)
  return `${address.slice(0, dotted)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

function toGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
