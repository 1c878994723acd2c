import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Exchange } from '../../src/net/exchange.ts'

/** Serves every request as an exchange that has passed the front door, on a free loopback port. Disposing of it cuts what is open. */
export async function serveExchanges(
  handle: (exchange: Exchange) => void,
): Promise<AsyncDisposable & { readonly url: string }> {
  let count = 0
  const server = createServer((req, res) => {
    const { pathname, search } = new URL(req.url ?? '/', 'http://localhost')
    handle({
      req,
      res,
      id: `req_${(count += 1)}`,
      path: pathname,
      search,
      credentials: [],
      ip: '127.0.0.1',
      startedAt: performance.now(),
      note: { plane: 'server' },
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
