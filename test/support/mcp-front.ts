import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import type { Caller } from '../../src/features/services/caller.ts'
import type {
  McpFrontConfig,
  McpFrontDependencies,
} from '../../src/features/services/client/front-dependencies.ts'
import { createMcpFront, type McpFront } from '../../src/features/services/client/mcp-front.ts'
import type { Channel } from '../../src/features/services/wire/channel.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createFrontDoor } from '../../src/net/front-door.ts'
import { attachFrontDoor, httpServerOptions } from '../../src/net/http-listener.ts'
import { createOriginCheck } from '../../src/net/origin-check.ts'
import { createSecretBox, type SecretBox } from '../../src/store/secret-box.ts'
import { createTestCaller, createTestEndpoint, type TestEndpoint } from './mcp-endpoint.ts'
import { listenOnLoopback } from './raw-http.ts'

/** The MCP transports on a real server, with endpoints that answer by themselves. */
export interface McpFrontFixture extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:port/mcp` */
  readonly url: string
  readonly front: McpFront
  /** Named `one`; also found by its id. */
  readonly one: TestEndpoint
  /** Named `two`. */
  readonly two: TestEndpoint
  /** Of all services: the URL without a name. */
  readonly everything: TestEndpoint
  /** Callers by the text of their key: `alice` and `bob`. */
  readonly callers: Readonly<Record<string, Caller & { usable: boolean }>>
  /** Channels that the special name `proxy` was given. */
  readonly channels: Channel[]
  /** Connections of clients that are open, whatever they are used for. */
  openSockets(): number
  /** Cuts every connection, as a network does. */
  cut(): void
}

/** How a fixture differs from the usual one. */
export interface McpFrontOptions {
  readonly config?: Partial<McpFrontConfig>
  readonly clock?: Clock
  readonly secretBox?: SecretBox
  readonly anonymous?: Caller
  readonly status?: ReturnType<McpFrontDependencies['statusOf']>
  /** Waited for before the special name `proxy` is served. */
  readonly beforeProxy?: () => Promise<void>
}

const masterKey = new Uint8Array(32).fill(9)

/** A secret box that opens what that of another fixture has sealed. */
export const testSecretBox = createSecretBox([masterKey])

const defaults: McpFrontConfig = {
  bodyBytesMax: 1024 * 1024,
  bodyTimeoutMs: 5_000,
  keepAliveMs: 15_000,
  maxDurationMs: 60_000,
  replayBytesMax: 1024 * 1024,
  sessionIdleMs: 60 * 60_000,
  sessionsMax: 10_000,
  sessionsPerKeyMax: 10_000,
}

/** Opens the transports on a free loopback port. Disposing of it ends everything. */
export async function openMcpFront(options: McpFrontOptions = {}): Promise<McpFrontFixture> {
  const one = createTestEndpoint('one')
  const two = createTestEndpoint('two')
  const think = createTestEndpoint('think')
  const everything = createTestEndpoint('', 'all')
  const named = [one, two, think]
  const callers: McpFrontFixture['callers'] = {
    alice: createTestCaller('key_alice'),
    bob: createTestCaller('key_bob'),
  }
  const channels: Channel[] = []
  const origins = () => ({ ownUrls: [], allowedOrigins: ['https://app.example'] })
  const findForeignOrigin = createOriginCheck(origins)
  const front = createMcpFront(
    {
      access: { authenticate: ({ credentials }) => authenticate(callers, credentials) },
      anonymousCaller: () => options.anonymous,
      resolve(_caller, [name, ...rest]) {
        if (name === undefined) return { endpoint: everything, rest: '' }
        const endpoint = named.find((candidate) => [candidate.name, candidate.id].includes(name))
        return endpoint && { endpoint, rest: rest.map((segment) => `/${segment}`).join('') }
      },
      channelRoute: (name) =>
        name === 'proxy'
          ? Promise.resolve(options.beforeProxy?.()).then(
              () => (channel) => void channels.push(channel),
            )
          : undefined,
      healthOf: (endpoint) => Promise.resolve({ status: 'running', name: endpoint.name }),
      statusOf: () => options.status,
      findForeignOrigin: (req) => findForeignOrigin(req, 'upgrade'),
      secretBox: options.secretBox ?? testSecretBox,
      clock: options.clock ?? systemClock,
      log: pino({ level: 'silent' }),
    },
    () => ({ ...defaults, ...options.config }),
  )
  const server = serve(front, origins)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const port = await listenOnLoopback(server)
  return {
    port,
    url: `http://127.0.0.1:${port}/mcp`,
    front,
    one,
    two,
    everything,
    callers,
    channels,
    openSockets: () => sockets.size,
    cut: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}

function serve(front: McpFront, origins: () => { ownUrls: never[]; allowedOrigins: string[] }) {
  let requests = 0
  const door = {
    listenHost: '127.0.0.1',
    allowedHosts: [],
    trustedProxies: [],
    headersMax: 100,
    urlBytesMax: 8_192,
    ...origins(),
  }
  const newRequestId = () => `r${(requests += 1)}`
  const frontDoor = createFrontDoor({ newRequestId }, () => door)
  const server = createServer(
    httpServerOptions({
      headBytesMax: 16_384,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 0,
      keepAliveTimeoutMs: 5_000,
    }),
  )
  const below = (path: string) => path.slice('/mcp'.length)
  attachFrontDoor(server, frontDoor, {
    onExchange: (exchange) => front.handle(exchange, below(exchange.path)),
    onUpgrade: (upgrade) => front.upgrade(upgrade, below(upgrade.path)),
  })
  return server
}

function authenticate(
  callers: McpFrontFixture['callers'],
  credentials: readonly { readonly text: string }[],
): Caller {
  const [first, second] = credentials
  if (second !== undefined && first?.text !== second.text) {
    throw new AppError('ambiguous_credentials', 'There are two keys.')
  }
  const caller = callers[first?.text ?? '']
  if (caller === undefined) throw new AppError('invalid_api_key', 'The key is unknown.')
  return caller
}
