import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server, ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'

const sweepMs = 100

/** One port on which HTTP is answered. Disposing of it cuts whatever is still connected. */
export interface Listener extends AsyncDisposable {
  readonly port: number
  /** Accepts nothing new, and resolves when all requests have ended or `timeoutMs` are over. */
  drain(timeoutMs: number): Promise<void>
}

/** Where to listen. */
export interface ListenAddress {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
}

/** Listens; `wire` puts the handlers on the server before it accepts anything. */
export async function listen(
  address: ListenAddress,
  options: ServerOptions,
  wire: (server: Server) => void,
): Promise<Listener> {
  const server = createServer(options)
  wire(server)
  server.listen(address.port, address.host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const closed = once(server, 'close')
  return {
    port,
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
      server.closeAllConnections()
      await closed
    },
  }
}
