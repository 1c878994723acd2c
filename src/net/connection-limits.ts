import { isIP, type Server, type Socket } from 'node:net'
import { blockListOf } from './blocked-addresses.ts'
import { clientNetwork, unmapAddress } from './ip-address.ts'

/** How many connections are held at once. */
export interface ConnectionLimits {
  readonly connectionsMax: number
  /** For one client: an IPv4 address, or the /64 of an IPv6 address. */
  readonly connectionsPerClientMax: number
  /** Addresses and CIDR ranges that speak for many clients. Like loopback, they count only towards the total. */
  readonly trustedProxies: readonly string[]
}

/**
 * Makes `server` destroy new connections beyond the limits, before a byte of them is read. `onRefused` hears of each.
 * Call it before other `connection` listeners are added; those see refused sockets as destroyed.
 * Throws a `RangeError` for a trusted proxy that is not a range.
 */
export function limitConnections(
  server: Server,
  limits: ConnectionLimits,
  onRefused?: (limit: 'total' | 'client') => void,
): void {
  const shared = blockListOf(['127.0.0.0/8', '::1', ...limits.trustedProxies])
  const countByClient = new Map<string, number>()
  let count = 0

  server.on('connection', (socket: Socket) => {
    const address = unmapAddress(socket.remoteAddress ?? '')
    const client = isShared(address) ? undefined : clientNetwork(address)
    const clientCount = client === undefined ? 0 : (countByClient.get(client) ?? 0)
    const isOverTotal = count >= limits.connectionsMax
    if (isOverTotal || clientCount >= limits.connectionsPerClientMax) {
      socket.destroy()
      onRefused?.(isOverTotal ? 'total' : 'client')
      return
    }
    count += 1
    if (client !== undefined) countByClient.set(client, clientCount + 1)
    socket.once('close', () => {
      count -= 1
      if (client !== undefined) release(client)
    })
  })

  function isShared(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && shared.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }

  function release(client: string): void {
    const left = (countByClient.get(client) ?? 1) - 1
    if (left === 0) countByClient.delete(client)
    else countByClient.set(client, left)
  }
}
