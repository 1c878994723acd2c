import { createServer } from 'node:http'
import type { Exchange, UpgradeRequest } from '../../src/net/exchange.ts'
import { createFrontDoor, type FrontDoorConfig, type Refusal } from '../../src/net/front-door.ts'
import { attachFrontDoor, httpServerOptions } from '../../src/net/http-listener.ts'
import { listenOnLoopback, sendRaw, type RawAnswer } from './raw-http.ts'

/** A server with nothing behind its front door: it reads what is admitted, keeps it for inspection and answers 200 or 101. */
export interface FrontDoorFixture extends AsyncDisposable {
  readonly port: number
  readonly admitted: readonly Exchange[]
  readonly upgrades: readonly UpgradeRequest[]
  readonly refusals: readonly Refusal[]
  /** Changes the configuration, as a reload would. */
  configure(change: Partial<FrontDoorConfig>): void
  /** Sends a head, line by line, and a body. */
  send(lines: readonly string[], body?: string): Promise<RawAnswer>
  /** Sends a GET to `localhost` that asks to close the connection. */
  get(target: string, ...headers: readonly string[]): Promise<RawAnswer>
}

const initialConfig: FrontDoorConfig = {
  listenHost: '127.0.0.1',
  ownUrls: ['https://gateway.example'],
  allowedHosts: ['lan.example:9000'],
  allowedOrigins: ['https://app.example'],
  trustedProxies: [],
  headersMax: 100,
  urlBytesMax: 8_192,
}

/** Opens the server on a free loopback port. */
export async function openFrontDoor(): Promise<FrontDoorFixture> {
  let config = initialConfig
  let requests = 0
  const admitted: Exchange[] = []
  const upgrades: UpgradeRequest[] = []
  const refusals: Refusal[] = []
  const frontDoor = createFrontDoor(
    {
      newRequestId: () => `r${(requests += 1)}`,
      onRefusal: (refusal) => refusals.push(refusal),
    },
    () => config,
  )
  const server = createServer(
    httpServerOptions({
      headBytesMax: 16_384,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 0,
      keepAliveTimeoutMs: 5_000,
    }),
  )
  attachFrontDoor(server, frontDoor, {
    onExchange(exchange) {
      admitted.push(exchange)
      exchange.req.resume().once('end', () => exchange.res.end('served'))
    },
    onUpgrade(upgrade) {
      upgrades.push(upgrade)
      upgrade.socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    },
  })
  const port = await listenOnLoopback(server)
  const send = (lines: readonly string[], body = '') =>
    sendRaw(port, `${lines.join('\r\n')}\r\n\r\n${body}`)
  return {
    port,
    admitted,
    upgrades,
    refusals,
    configure(change) {
      config = { ...config, ...change }
    },
    send,
    get: (target, ...headers) =>
      send([`GET ${target} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}
