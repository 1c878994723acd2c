import { once } from 'node:events'
import { createServer } from '../net/node-http.ts'
import type { Server, ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

const sweepMs = 100
/** Connections that may wait to be accepted; the system caps it. A herd that reconnects at once is not turned away. */
const backlogMax = 4096

/** One port on which HTTP is answered. Disposing of it cuts whatever is still connected. */
export interface Listener extends AsyncDisposable {
  readonly port: number
  /** From here on every answer ends its connection, so that clients go elsewhere with their next request. */
  refuseReuse(): void
  /** Accepts nothing new, and resolves when all connections have ended or `timeoutMs` are over. May be called again. */
  drain(timeoutMs: number): Promise<void>
}

/** Where to listen. */
export interface ListenAddress {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
}

/** What a listener is made of. */
export interface ListenerParts {
  readonly options: ServerOptions
  /** Puts the handlers on the server before it accepts anything. */
  readonly wire: (server: Server) => void
  /** Hears of connections that the system could not hand over. */
  readonly onError: (error: Error) => void
}

/** Listens. Throws the system's error, e.g. for a port that is taken. */
export async function listen(address: ListenAddress, parts: ListenerParts): Promise<Listener> {
  const server = createServer(parts.options)
  // The server's own list lacks those that have become WebSockets.
  const connections = new Set<Socket>()
  parts.wire(server)
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  server.listen({ ...address, backlog: backlogMax })
  await once(server, 'listening')
  server.on('error', parts.onError)
  const { port } = server.address() as AddressInfo
  // Not `once`, which would reject at the first error that is only to be logged.
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
  server.once('close', () => onClose())
  return {
    port,
    refuseReuse() {
      server.prependListener('request', (_req, res) => {
        res.shouldKeepAlive = false
      })
    },
    async drain(timeoutMs) {
      server.close()
      // A kept-alive connection becomes idle when its last request has ended, and only then may be closed.
      const sweep = setInterval(() => server.closeIdleConnections(), sweepMs)
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, timeoutMs)
      await Promise.race([closed, late])
      clearInterval(sweep)
      clearTimeout(timer)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}
