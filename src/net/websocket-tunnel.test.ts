import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { listenOnLoopback, sendRaw } from '../../test/support/raw-http.ts'
import { createGuardedLookup } from './address-guard.ts'
import type { UpgradeRequest } from './exchange.ts'
import { forwardRequestHeaders } from './headers.ts'
import { tunnelWebSocket, type TunnelOutcome } from './websocket-tunnel.ts'

let scope: AsyncDisposableStack
let upstreamPort: number
let outcomes: Promise<TunnelOutcome>[]
let gateway: number
let stop: AbortController
let connectMs: number
let originHost: string

beforeEach(async () => {
  scope = new AsyncDisposableStack()
  outcomes = []
  stop = new AbortController()
  connectMs = 2_000
  originHost = 'upstream.test'
  const server = createServer()
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const upgrade = { req, socket, head, id: 'r1' } as unknown as UpgradeRequest
    outcomes.push(tunnelWebSocket(upgrade, target(req), stop.signal))
  })
  gateway = await listen(server)
})

afterEach(() => scope.disposeAsync())

function target(req: IncomingMessage) {
  const headers = forwardRequestHeaders(req.rawHeaders, { acceptEncoding: 'pass' })
  return {
    origin: new URL(`http://${originHost}:${upstreamPort}`),
    path: req.url ?? '/',
    headers: [...headers, 'authorization', 'Bearer upstream-key'],
    lookup: createGuardedLookup(
      { allow: { host: 'upstream.test', port: upstreamPort } },
      (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    ),
    connectMs,
    handshakeMs: 300,
  }
}

async function listen(server: Server): Promise<number> {
  const port = await listenOnLoopback(server)
  scope.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return port
}

/** An upstream that speaks WebSocket. */
async function openUpstream() {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  upstreamPort = await listen(server)
  return sockets
}

/** An upstream that answers a handshake with these bytes and then leaves the connection to the test. */
async function openRawUpstream(answer: string) {
  const connections: Socket[] = []
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.write(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  upstreamPort = (server.address() as AddressInfo).port
  scope.defer(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  return connections
}

function open(path = '/v1/realtime?model=a', protocols: string[] = []) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway}${path}`, protocols, {
    headers: { authorization: 'Bearer ptk_secret', cookie: 'a=b', 'OpenAI-Beta': 'realtime=v1' },
  })
  scope.defer(() => socket.terminate())
  return socket
}

const handshake =
  'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

const switching =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

describe('an accepted WebSocket', () => {
  test('carries text, binary and large messages both ways, and the close code', async () => {
    const sockets = await openUpstream()
    sockets.on('connection', (socket) => {
      socket.on('message', (message, isBinary) =>
        socket.send(message as Buffer, { binary: isBinary }),
      )
    })
    const client = open()
    await once(client, 'open')
    const large = Buffer.alloc(5_000_000, 7)
    for (const sent of ['héllo', Buffer.from([0, 255]), large]) {
      client.send(sent)
      const [received] = (await once(client, 'message')) as [Buffer]
      expect(received.equals(Buffer.from(sent as Buffer))).toBe(true)
    }
    client.close(4_001, 'enough')
    const [code, reason] = (await once(client, 'close')) as [number, Buffer]
    expect([code, String(reason)]).toEqual([4_001, 'enough'])
    const outcome = await outcomes[0]
    expect(outcome).toMatchObject({ state: 'closed' })
  })

  test('S36 reaches the upstream with its path, its subprotocol and our key for the upstream, without the client’s', async () => {
    const sockets = await openUpstream()
    const arrived = once(sockets, 'connection')
    const client = open('/v1/realtime?model=a', ['realtime', 'other'])
    await once(client, 'open')
    const [, request] = (await arrived) as [unknown, IncomingMessage]
    expect(request.url).toBe('/v1/realtime?model=a')
    expect(request.headers).toMatchObject({
      authorization: 'Bearer upstream-key',
      'openai-beta': 'realtime=v1',
      host: `upstream.test:${upstreamPort}`,
    })
    expect(request.headers.cookie).toBeUndefined()
    expect(client.protocol).toBe('realtime')
  })

  test('loses nothing that the upstream sends along with its answer', async () => {
    const connections = await openRawUpstream(`${switching}first`)
    const answer = sendRaw(gateway, handshake)
    await vi.waitFor(() => expect(connections[0]?.bytesWritten).toBeGreaterThan(0))
    connections[0]?.end('last')
    expect((await answer).text).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nfirstlast$/)
  })

  test('ends at both ends at once when either breaks or the signal is aborted', async () => {
    const sockets = await openUpstream()
    sockets.on('connection', (socket) => {
      socket.on('message', () => socket.terminate())
    })
    const broken = open()
    await once(broken, 'open')
    broken.send('die')
    await once(broken, 'close')

    const left = open()
    await once(left, 'open')
    left.terminate()
    await vi.waitFor(() => expect(sockets.clients.size).toBe(0))

    const stopped = open()
    await once(stopped, 'open')
    stop.abort()
    await once(stopped, 'close')
    await vi.waitFor(() => expect(sockets.clients.size).toBe(0))
    expect((await Promise.all(outcomes)).map(({ state }) => state)).toEqual(Array(3).fill('closed'))
  })

  test('holds a fast upstream back for a slow client', async () => {
    const sockets = await openUpstream()
    const arrived = once(sockets, 'connection')
    const client = open()
    await once(client, 'open')
    client.pause()
    const [peer] = (await arrived) as [WebSocket]
    const before = process.memoryUsage().arrayBuffers
    const message = Buffer.alloc(1_000_000)
    for (let count = 0; count < 50; count += 1) peer.send(message)
    await vi.waitFor(() => expect(peer.bufferedAmount).toBeGreaterThan(20_000_000))
    // What waits in the upstream itself shares this process; the tunnel may add no more than its own buffers.
    const added = process.memoryUsage().arrayBuffers - before - peer.bufferedAmount
    expect(added).toBeLessThan(16_000_000)
  })
})

describe('a handshake that comes to nothing', () => {
  test('brings the refusal of the upstream as it is', async () => {
    await openRawUpstream(
      'HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\nContent-Length: 4\r\n\r\nnope',
    )
    const answer = await sendRaw(gateway, handshake)
    expect(answer).toMatchObject({ status: 403, closedByServer: true })
    expect(answer.text).toMatch(/\r\n\r\nnope$/)
    expect(answer.text).not.toContain('Set-Cookie')
    expect(await outcomes[0]).toEqual({ state: 'refused', status: 403 })
  })

  test.each<[string, string, number]>([
    ['is not answered', '', 504],
    ['is answered with something that is not HTTP', 'hello\r\n\r\n', 502],
    ['is answered with another protocol', switching.replace('websocket', 'h2c'), 502],
  ])('%s: the client gets an error', async (_case, upstreamAnswer, status) => {
    await openRawUpstream(upstreamAnswer)
    const answer = await sendRaw(gateway, handshake)
    expect(answer).toMatchObject({ status, closedByServer: true })
    expect(await outcomes[0]).toMatchObject({ state: 'failed' })
  })

  test('because nobody listens, or the address may not be reached: the client cannot tell which', async () => {
    upstreamPort = 1
    const refused = await sendRaw(gateway, handshake)
    originHost = 'private.test'
    const blocked = await sendRaw(gateway, handshake)
    expect([refused.status, blocked.status]).toEqual([502, 502])
    expect(blocked.text.split('\r\n\r\n')).toEqual(refused.text.split('\r\n\r\n'))
  })

  test('because the client left first: the upstream is let go at once', async () => {
    const connections = await openRawUpstream('')
    const client = open()
    client.on('error', () => {})
    await vi.waitFor(() => expect(connections).toHaveLength(1))
    client.terminate()
    expect(await outcomes[0]).toEqual({ state: 'abandoned' })
    await vi.waitFor(() => expect(connections[0]?.readableEnded).toBe(true))
  })
})
