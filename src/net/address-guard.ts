import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { AppError } from '../lib/errors.ts'
import { isBlockedAddress, isMetadataAddress } from './blocked-addresses.ts'

/** One host and port that may have a private address. Set by an administrator, never taken from a request. */
export interface PrivateDestination {
  /** As in `URL.hostname`: lower case, IPv6 in brackets or without. */
  readonly host: string
  readonly port: number
}

/** What an outbound URL may be. */
export interface OutboundUrlRules {
  /** Schemes without colon, e.g. `['https', 'http']`. */
  readonly schemes: readonly string[]
  /** Any port but those of well-known other protocols; else only the scheme's default port. */
  readonly anyPort?: boolean
  /** The host and port of this very URL may be private. */
  readonly allowPrivate?: boolean
}

/** Resolves a name to all its addresses; `dns.lookup` with `all: true`. */
export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const urlLengthMax = 2_048

/** Ports of protocols that HTTP must not be made to talk to: mail, shells, databases, caches. */
const foreignPorts: ReadonlySet<number> = new Set([
  21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 512, 513, 514, 587, 636, 873, 993,
  995, 1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5900, 6379, 6667, 9042, 11_211, 27_017,
])

/**
 * Parses a URL that is to be called, once: the object returned is the one to connect with.
 * An address or `localhost` in it is judged here; a name is judged when it is resolved, by the lookup of `createGuardedLookup`.
 * Throws `invalid_request` if it is not a URL of the allowed schemes, `destination_not_allowed` for where it leads.
 */
export function parseOutboundUrl(text: string, rules: OutboundUrlRules): URL {
  const url = text.length <= urlLengthMax ? URL.parse(text) : null
  if (url === null || !rules.schemes.includes(url.protocol.slice(0, -1)) || url.hostname === '') {
    throw new AppError('invalid_request', `The URL must be one of ${rules.schemes.join(', ')}.`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError('invalid_request', 'The URL must not contain a user name or password.')
  }
  // A name with the root dot is the same host, but a different string for certificates and comparisons.
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.slice(0, -1)
  const mayBePrivate = rules.allowPrivate === true
  if (!isAllowedPort(url, { anyPort: rules.anyPort === true, mayBePrivate })) throw notAllowed()
  const address = literalAddress(url.hostname)
  if (address === undefined) return url
  const permitted = mayBePrivate ? { host: url.hostname, port: effectivePort(url) } : undefined
  if (!isReachable(url.hostname, address, permitted)) throw notAllowed()
  return url
}

/** The port that a connection to `url` uses. */
export function effectivePort(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' || url.protocol === 'wss:' ? 443 : 80
}

/**
 * A `lookup` for `net.connect`, `tls.connect` and undici that gives only addresses which may be reached.
 * Because the connection is made to the very addresses tested here, a name cannot point elsewhere between test and use.
 * Fails with `destination_not_allowed` when no address is left. It is not asked for IP literals: those are for `parseOutboundUrl`.
 * With `allow`, that host may be private; the caller connects it to no other port than the one named.
 */
export function createGuardedLookup(
  policy: { readonly allow?: PrivateDestination | undefined } = {},
  resolve: ResolveAll = systemLookup,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const reachable = addresses.filter(({ address }) =>
        isReachable(hostname, address, policy.allow),
      )
      const [first] = reachable
      if (first === undefined) return callback(notAllowed(), [])
      if (options.all === true) return callback(null, reachable)
      callback(null, first.address, first.family)
    })
  }
}

/** Says whether `hostname`, which is or has the given address, may be connected to. */
function isReachable(
  hostname: string,
  address: string,
  permitted: PrivateDestination | undefined,
): boolean {
  const isPermitted = permitted !== undefined && sameHost(hostname, permitted.host)
  return isPermitted ? !isMetadataAddress(address) : !isBlockedAddress(address)
}

/** The address that a host name is, or stands for without being asked: every resolver takes `localhost` for loopback (RFC 6761). */
function literalAddress(hostname: string): string | undefined {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return '127.0.0.1'
  const bare = withoutBrackets(hostname)
  return isIP(bare) === 0 ? undefined : bare
}

function isAllowedPort(
  url: URL,
  { anyPort, mayBePrivate }: { anyPort: boolean; mayBePrivate: boolean },
): boolean {
  if (url.port === '') return true
  return mayBePrivate || (anyPort && !foreignPorts.has(Number(url.port)))
}

function sameHost(one: string, other: string): boolean {
  return withoutBrackets(one).toLowerCase() === withoutBrackets(other).toLowerCase()
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

/** Says nothing of the address, so that an error cannot be used to explore the network. */
function notAllowed(): AppError {
  return new AppError('destination_not_allowed', 'The destination may not be reached.')
}
