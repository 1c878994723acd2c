import { BlockList, isIP, isIPv4 } from 'node:net'
import { groupsToIpv4, ipv6Groups } from './ip-address.ts'

/** Ranges that are not the public internet: IANA special-purpose registries (RFC 6890), multicast and reserved space. */
const nonPublicRanges = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '::/96', // unspecified, loopback, IPv4-compatible
  '64:ff9b:1::/48', // NAT64 of the local network: where in it the IPv4 address lies is known only there
  '100::/64', // discard
  '2001::/32', // Teredo
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
  'fc00::/7', // unique local
  'fe80::/10', // link-local
  'fec0::/10', // site-local
  'ff00::/8', // multicast
] as const

/** Where cloud machines find their credentials. Never reached, whatever an administrator allows. */
const metadataRanges = [
  '100.100.100.200/32', // Alibaba
  '168.63.129.16/32', // Azure host
  '169.254.169.254/32', // nearly all of them
  '169.254.170.0/24', // Amazon containers
  '192.0.0.192/32', // Oracle
  'fd00:ec2::/32', // Amazon
  'fd20:ce::254/128', // Google
] as const

const nonPublic = blockListOf(nonPublicRanges)
const metadata = blockListOf(metadataRanges)

/** Says whether `address` is not a public unicast address. What is not an IP address at all is blocked as well. */
export function isBlockedAddress(address: string): boolean {
  return contains(nonPublic, address) || isMetadataAddress(address)
}

/** Says whether `address` belongs to a metadata service of a cloud. */
export function isMetadataAddress(address: string): boolean {
  return contains(metadata, address)
}

/** A list of CIDR ranges or single addresses, IPv4 and IPv6. Throws a `RangeError` that names the first text that is neither. */
export function blockListOf(ranges: Iterable<string>): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const version = isIP(address)
    const prefix = bits === undefined ? addressBits(version) : Number(bits)
    if (version === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > addressBits(version)) {
      throw new RangeError(`"${range}" is not an IP address or a CIDR range`)
    }
    list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

function addressBits(version: number): number {
  return version === 4 ? 32 : 128
}

/** Says whether one of the ranges has the address, in whatever notation it comes. Not an address: true, so that nothing unclear passes. */
function contains(list: BlockList, address: string): boolean {
  const effective = embeddedIpv4(address) ?? address
  if (isIPv4(effective)) return list.check(effective, 'ipv4')
  const groups = ipv6Groups(effective)
  if (groups === undefined) return true
  return list.check(groups.map((group) => group.toString(16)).join(':'), 'ipv6')
}

/** The IPv4 address to which packets for this IPv6 address really go: IPv4-mapped (::ffff:0:0/96), or well-known NAT64 (64:ff9b::/96). */
function embeddedIpv4(address: string): string | undefined {
  const groups = ipv6Groups(address)
  if (groups === undefined) return undefined
  const prefix = groups.slice(0, 6).join(':')
  const isEmbedded = prefix === '0:0:0:0:0:65535' || prefix === `${0x64}:${0xff9b}:0:0:0:0`
  return isEmbedded ? groupsToIpv4(groups[6] as number, groups[7] as number) : undefined
}
