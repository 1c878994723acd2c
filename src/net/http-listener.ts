import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../lib/errors.ts'
import { writeError } from './error-response.ts'
import type { Exchange, UpgradeRequest } from './exchange.ts'
import { isWebSocketHandshake, type FrontDoor } from './front-door.ts'
import { methodNotAllowed } from './request-inspection.ts'

/** How patient a listener is, and how much of a head it reads. */
export interface ListenerLimits {
  /** Request line and headers together. */
  readonly headBytesMax: number
  readonly headersTimeoutMs: number
  /** For a whole request with its body; 0 leaves bodies to whoever reads them. */
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
}

/** Who serves what was admitted. */
export interface ListenerHandlers {
  onExchange(exchange: Exchange): void
  /** Owns the socket of the upgrade: answers or destroys it. */
  onUpgrade(upgrade: UpgradeRequest): void
}

const timeoutCheckIntervalMs = 1_000

/** Options for `http.createServer` and `https.createServer` that the front door counts on. */
export function httpServerOptions(limits: ListenerLimits): ServerOptions {
  return {
    insecureHTTPParser: false,
    // The front door asks for the header itself, of HTTP/1.0 too, and says in its answer what is wrong.
    requireHostHeader: false,
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: timeoutCheckIntervalMs,
    noDelay: true,
    shouldUpgradeCallback: isWebSocketHandshake,
  }
}

/** Makes `server` hand everything that arrives to the front door, and what it admits to `handlers`. */
export function attachFrontDoor(
  server: Server,
  frontDoor: FrontDoor,
  handlers: ListenerHandlers,
): void {
  // By default Node drops headers beyond a number in silence; the front door refuses the request instead.
  server.maxHeadersCount = 0
  server.on('request', (req, res) => {
    const exchange = frontDoor.admit(req, res)
    if (exchange !== undefined) handlers.onExchange(exchange)
  })
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const exchange = frontDoor.admit(req, res)
    if (exchange === undefined) return
    const message = 'Only 100-continue can be expected.'
    writeError(res, new AppError('expectation_failed', message), exchange.id)
  })
  server.on('upgrade', (req, socket, head) => {
    const upgrade = frontDoor.admitUpgrade(req, socket, head)
    if (upgrade !== undefined) handlers.onUpgrade(upgrade)
  })
  server.on('connect', (_req, socket) => {
    frontDoor.refuse(socket as Socket, methodNotAllowed('CONNECT'))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || answersAnother(socket as Socket)) socket.destroy()
    else frontDoor.refuse(socket as Socket, toAppError(error))
  })
}

/**
 * Says whether the connection is in the midst of answering: bytes of ours would then end up inside that answer, or pass for it.
 * Node tells only through `_httpMessage`, which its own handling of this event consults as well.
 */
function answersAnother(socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  const running = socket._httpMessage
  if (running === undefined || running === null) return false
  return running.headersSent || running.req.complete
}

const parserErrors: Readonly<Record<string, () => AppError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: () =>
    new AppError('request_timeout', 'The request did not arrive in time.'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () =>
    new AppError('request_too_large', 'The chunk extensions are too long.'),
  HPE_HEADER_OVERFLOW: () => new AppError('headers_too_large', 'The headers are too large.'),
  HPE_PAUSED_H2_UPGRADE: () =>
    new AppError('http_version_not_supported', 'HTTP/2 is not spoken here.'),
}

function toAppError(error: NodeJS.ErrnoException): AppError {
  const known = parserErrors[error.code ?? '']
  return known?.() ?? new AppError('invalid_framing', 'The request is not valid HTTP.')
}
