import { WebSocketServer, type WebSocket } from 'ws'
import { AppError } from '../../../lib/errors.ts'
import type { Principal } from '../../../lib/principal.ts'
import { toAppError, writeSocketError } from '../../../net/error-response.ts'
import type { Inbound, UpgradeRequest } from '../../../net/exchange.ts'
import type { LogFrame } from './service-logs.ts'

/** What log sockets need. */
export interface LogSocketDeps {
  /** Throws where the request carries no key that may manage. */
  readonly authenticate: (inbound: Inbound) => Principal
  /** Follows the log of a service; resolves with the function that ends it. Rejects with `not_found`. */
  readonly follow: (
    principal: Principal,
    idOrName: string,
    listener: (frame: LogFrame) => void,
  ) => Promise<() => void>
}

/** Live logs over WebSocket, as clients of MCP Reverse Proxy ask for them. Disposing of it closes what is open. */
export interface LogSocket extends Disposable {
  /** Takes the handshake where its path is that of a log stream; false for any other. */
  open(request: UpgradeRequest): boolean
  /** Closes what is open. */
  end(): void
}

const path = /^\/api\/services\/([^/]+)\/logs\/stream\/?$/
const policyViolation = 1008
const goingAway = 1001
/** Whoever does not read so much is cut. */
const pendingBytesMax = 4 * 1024 * 1024

/** Creates the log sockets. */
export function createLogSocket({ authenticate, follow }: LogSocketDeps): LogSocket {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    maxPayload: 1024,
  })

  async function stream(socket: WebSocket, principal: Principal, name: string): Promise<void> {
    // Nothing is expected of the client; what it breaks ends its socket and nothing else.
    socket.on('error', () => socket.terminate())
    const send = (frame: LogFrame) => {
      if (socket.bufferedAmount > pendingBytesMax) socket.terminate()
      else socket.send(JSON.stringify(frame))
    }
    const leave = await follow(principal, name, send).catch((error: unknown) => {
      const isMissing = error instanceof AppError && error.code === 'not_found'
      socket.close(policyViolation, isMissing ? 'Service not found' : 'Not allowed')
      return () => undefined
    })
    if (socket.readyState === socket.OPEN) socket.once('close', leave)
    else leave()
  }

  function end(): void {
    for (const socket of server.clients) socket.close(goingAway, 'Closing')
  }

  return {
    open(request) {
      const name = path.exec(request.path)?.[1]
      if (name === undefined) return false
      request.note.plane = 'management'
      const { req, socket, head, id } = request
      Promise.try(authenticate, request).then(
        (principal) => {
          server.handleUpgrade(req, socket, head, (webSocket) => {
            void stream(webSocket, principal, decodeURIComponent(name))
          })
        },
        (error: unknown) => writeSocketError(socket, toAppError(error), id),
      )
      return true
    },
    end,
    [Symbol.dispose]() {
      end()
      server.close()
    },
  }
}
