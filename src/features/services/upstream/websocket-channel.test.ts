import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { call, logCall, requestFrom } from '../../../../test/support/call-log.ts'
import { openRemote } from '../../../../test/support/remote.ts'
import { openChannelConnection } from './channel-connection.ts'
import { openWebSocketChannel } from './websocket-channel.ts'

interface SocketServer extends AsyncDisposable {
  readonly url: string
  readonly sockets: readonly WebSocket[]
  readonly protocols: readonly string[]
}

/** A server that answers each request, the handshake as well, by what `answer` gives for its method. */
async function serveSockets(
  answer: (method: string, socket: WebSocket) => string | undefined,
  options: { autoPong?: boolean } = {},
): Promise<SocketServer> {
  const http = createServer()
  const acceptor = new WebSocketServer({ server: http, ...options })
  const sockets: WebSocket[] = []
  const protocols: string[] = []
  acceptor.on('connection', (socket) => {
    sockets.push(socket)
    protocols.push(socket.protocol)
    socket.on('message', (data: Buffer) => {
      const { id, method } = JSON.parse(data.toString()) as { id?: number; method: string }
      const outcome = id === undefined ? undefined : answer(method, socket)
      if (outcome !== undefined) socket.send(`{"jsonrpc":"2.0","id":${id},${outcome}}`)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    sockets,
    protocols,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate()
      http.close()
      await once(http, 'close')
    },
  }
}

const hello = '"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}'
const legacy = (method: string) => {
  if (method === 'initialize') return hello
  return method === 'server/discover' ? '"error":{"code":-32601,"message":"?"}' : '"result":{}'
}

test('a legacy server is found out on a socket of its own', async () => {
  await using server = await serveSockets(legacy)
  await using opened = await openRemote(server.url)
  expect([opened.transport, opened.connection.era]).toEqual(['websocket', 'legacy'])
  expect(server.protocols).toEqual(['mcp', 'mcp'])
  expect(await call(opened.connection, '{"jsonrpc":"2.0","id":"w","method":"ping"}')).toBe(
    '{"jsonrpc":"2.0","id":"w","result":{}}',
  )
})

test('a modern server is found out as well', async () => {
  await using server = await serveSockets(() => '"result":{"supportedVersions":["2026-07-28"]}')
  await using opened = await openRemote(server.url)
  expect(opened.connection.era).toBe('modern')
})

test('a connection that is cut fails its calls', async () => {
  await using server = await serveSockets((method, socket) => {
    if (method === 'cut') socket.terminate()
    return legacy(method)
  })
  await using opened = await openRemote(server.url, { era: 'legacy' })
  await expect(
    call(opened.connection, '{"jsonrpc":"2.0","id":1,"method":"cut"}'),
  ).rejects.toMatchObject({ code: 'upstream_failed' })
  expect((await opened.connection.closed)?.code).toBe('upstream_failed')
})

test('a binary frame ends the connection with 1003', async () => {
  await using server = await serveSockets((method, socket) => {
    if (method === 'binary') socket.send(Buffer.from('{}'), { binary: true })
    return method === 'binary' ? undefined : legacy(method)
  })
  await using opened = await openRemote(server.url, { era: 'legacy' })
  const log = logCall()
  const closed = once(server.sockets[0] as WebSocket, 'close')
  opened.connection.request(requestFrom('{"jsonrpc":"2.0","id":1,"method":"binary"}'), log)
  expect((await closed)[0]).toBe(1003)
  await expect(log.answer).rejects.toMatchObject({ code: 'upstream_failed' })
})

test('a server that gives no sign of life is gone', async () => {
  await using server = await serveSockets(legacy, { autoPong: false })
  const signal = AbortSignal.timeout(5_000)
  const channel = await openWebSocketChannel(
    {
      url: new URL(server.url),
      allowPrivate: true,
      resolve: undefined,
      headers: () => [],
      messageBytesMax: 1_000,
      onNoise() {},
      pingMs: 20,
    },
    signal,
  )
  const client = { capabilities: {}, clientInfo: {} }
  const options = { era: 'legacy', client, signal, onNoise() {} } as const
  await using connection = await openChannelConnection(channel, options)
  expect((await connection.closed)?.code).toBe('upstream_failed')
})

test('a handshake that is refused names the status alone', async () => {
  const http = createServer((_req, res) => void res.writeHead(401).end('secret'))
  http.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  await expect(openRemote(`ws://127.0.0.1:${port}/`)).rejects.toMatchObject({
    code: 'upstream_failed',
    message: 'The server answered with status 401.',
  })
  http.close()
  http.closeAllConnections()
})
