import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import type { Live } from '../lib/live.ts'
import { createClientAddress } from './client-address.ts'
import { derive } from './derive.ts'
import { writeError, writeSocketError } from './error-response.ts'
import type { Exchange, Inbound, UpgradeRequest } from './exchange.ts'
import { createHostCheck, type HostRules } from './host-check.ts'
import { unmapAddress } from './ip-address.ts'
import { createOriginCheck, type OriginRules } from './origin-check.ts'
import { inspectHead, type HeadLimits, type Inspection } from './request-inspection.ts'

/** What one listener lets in. Must be the same object until it changes, for what is built from it is kept as long. */
export interface FrontDoorConfig extends HostRules, OriginRules, HeadLimits {
  /** Addresses and CIDR ranges of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
}

/** A request that got no further than the front door. */
export interface Refusal {
  readonly id: string
  readonly ip: string
  readonly method: string
  readonly error: AppError
}

/** What the front door is handed. */
export interface FrontDoorDependencies {
  readonly newRequestId: () => string
  /** Hears of every request that was refused, after its answer was written. */
  readonly onRefusal?: (refusal: Refusal) => void
}

/** Where every request of a listener enters. */
export interface FrontDoor {
  /** Gives the exchange for a request in order; or answers it and gives undefined. */
  admit(req: IncomingMessage, res: ServerResponse): Exchange | undefined
  /** The same for a WebSocket handshake. From here on, an error of the socket destroys it and is nobody else's concern. */
  admitUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): UpgradeRequest | undefined
  /** Answers on a bare connection whose request could not be read, or must not be served. */
  refuse(socket: Socket, error: AppError): void
}

/**
 * Creates the front door of one listener: framing, `Host`, path and credentials are settled here, in one pass over the headers
 * and before anything routes or authorises, so that all later stages see the same bytes. `Origin` is judged here for upgrades;
 * for requests it depends on the plane (`cors.ts`, `origin-check.ts`).
 */
export function createFrontDoor(
  { newRequestId, onRefusal }: FrontDoorDependencies,
  config: Live<FrontDoorConfig>,
): FrontDoor {
  const hostIsOurs = derive(config, createHostCheck)
  const clientAddress = derive(config, ({ trustedProxies }) => createClientAddress(trustedProxies))
  const findForeignOrigin = createOriginCheck(config)

  const inspect = (req: IncomingMessage): Inspection | AppError => {
    const inspection = inspectHead(req, config())
    if (inspection instanceof AppError || hostIsOurs()(inspection.host)) return inspection
    return new AppError('misdirected_host', 'This host is not served here.')
  }
  const toInbound = (req: IncomingMessage, inspection: Inspection): Inbound => ({
    req,
    id: newRequestId(),
    path: inspection.path,
    search: inspection.search,
    credentials: inspection.credentials,
    ip: clientAddress()(req.socket.remoteAddress ?? '', inspection.forwardedFor),
    startedAt: performance.now(),
    note: { plane: 'server' },
  })
  const noteRefusal = (peer: Socket, method: string, error: AppError) => {
    const id = newRequestId()
    onRefusal?.({ id, ip: unmapAddress(peer.remoteAddress ?? ''), method, error })
    return id
  }
  return {
    admit(req, res) {
      const inspection = inspect(req)
      if (!(inspection instanceof AppError)) {
        // Node's parser loses the bytes that came along behind such a head; what follows them could be read from the middle.
        if (inspection.asksUpgrade) res.shouldKeepAlive = false
        return Object.assign(toInbound(req, inspection), { res })
      }
      writeError(res, inspection, noteRefusal(req.socket, req.method ?? '', inspection))
      return undefined
    },
    admitUpgrade(req, socket, head) {
      socket.on('error', () => socket.destroy())
      const inspection = inspect(req)
      const verdict =
        inspection instanceof AppError
          ? inspection
          : (findUnfitUpgrade(req) ?? findForeignOrigin(req, 'upgrade') ?? inspection)
      if (!(verdict instanceof AppError)) {
        return Object.assign(toInbound(req, verdict), { socket, head })
      }
      writeSocketError(socket, verdict, noteRefusal(req.socket, req.method ?? '', verdict))
      return undefined
    },
    refuse(socket, error) {
      socket.on('error', () => socket.destroy())
      writeSocketError(socket, error, noteRefusal(socket, '', error))
    },
  }
}

/** A handshake is a GET without a body. With one, the bytes after the head would be a body to one server and frames to another. */
function findUnfitUpgrade(req: IncomingMessage): AppError | undefined {
  const { headers } = req
  const hasBody =
    headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  if (isWebSocketHandshake(req) && !hasBody) return undefined
  return new AppError('invalid_framing', 'This is not a WebSocket handshake.')
}

/** Says whether a request asks to become a WebSocket. Any other upgrade, `h2c` first of all, is not offered and is ignored. */
export function isWebSocketHandshake(req: IncomingMessage): boolean {
  const isUpgrade = req.headers.upgrade?.toLowerCase() === 'websocket'
  return isUpgrade && req.method === 'GET' && req.httpVersionMinor === 1
}
