import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createTestClock } from '../../../../test/support/clock.ts'
import { callTool, initialize, until } from '../../../../test/support/mcp-client.ts'
import { openMcpFront, type McpFrontFixture } from '../../../../test/support/mcp-front.ts'
import { sendRaw } from '../../../../test/support/raw-http.ts'
import { AppError } from '../../../lib/errors.ts'
import { makeNotification } from '../wire/rpc-message.ts'

interface Client extends Disposable {
  readonly socket: WebSocket
  readonly frames: unknown[]
  readonly closed: Promise<number>
  send(message: unknown): void
  /** The frame of this index, once it is there. */
  frame(index: number): Promise<unknown>
}

async function connect(
  fixture: McpFrontFixture,
  path: string,
  options: {
    readonly subprotocol?: string
    readonly key?: string
    readonly autoPong?: boolean
  } = {},
): Promise<Client> {
  const { subprotocol, key = 'alice', autoPong = true } = options
  const protocols = subprotocol === undefined ? [] : [subprotocol]
  const url = `ws://127.0.0.1:${fixture.port}/mcp${path}`
  const headers = { 'x-api-key': key }
  const socket = new WebSocket(url, protocols, { headers, autoPong })
  const frames: unknown[] = []
  const closing = Promise.withResolvers<number>()
  socket.on('message', (data) => frames.push(JSON.parse((data as Buffer).toString())))
  socket.once('close', closing.resolve)
  await once(socket, 'open')
  return {
    socket,
    frames,
    closed: closing.promise,
    send: (message) => socket.send(JSON.stringify(message)),
    async frame(index) {
      await until(() => frames.length > index, `frame ${index}`)
      return frames[index]
    },
    [Symbol.dispose]: () => socket.terminate(),
  }
}

async function refusal(fixture: McpFrontFixture, path: string, lines: readonly string[]) {
  const head = [
    `GET /mcp${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ...lines,
  ]
  return sendRaw(fixture.port, `${head.join('\r\n')}\r\n\r\n`)
}

const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' }
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

test('the subprotocol mcp is given back to whoever asks for it, and nothing to whoever does not', async () => {
  await using fixture = await openMcpFront()
  using sdk = await connect(fixture, '/ws?service=one', { subprotocol: 'mcp' })
  using plain = await connect(fixture, '/ws?service=one')
  expect([sdk.socket.protocol, plain.socket.protocol]).toEqual(['mcp', ''])
  expect(sdk.socket.extensions).toBe('')
})

test('a socket is one session, by whichever path it comes', async () => {
  await using fixture = await openMcpFront()
  for (const path of ['/ws?service=one', '/ws?service=svc_one', '/one']) {
    using client = await connect(fixture, path, { subprotocol: 'mcp' })
    client.send(initialize())
    expect(await client.frame(0)).toMatchObject({ id: 0, result: {} })
    client.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
    client.send(callTool(1, 'echo'))
    expect(await client.frame(1)).toMatchObject({ id: 1 })
    const relay = fixture.one.relays.at(-1)
    for (const listener of relay?.listeners ?? []) {
      listener.onNotification(makeNotification('notifications/tools/list_changed'))
    }
    expect(await client.frame(2)).toMatchObject({ method: 'notifications/tools/list_changed' })
    client.socket.close()
    await until(() => relay?.isDisposed === true)
  }
  expect(fixture.one.relays).toHaveLength(3)
  using all = await connect(fixture, '', { subprotocol: 'mcp' })
  all.send(ping)
  await all.frame(0)
  using also = await connect(fixture, '/ws', { subprotocol: 'mcp' })
  also.send(ping)
  await also.frame(0)
  expect(fixture.everything.relays).toHaveLength(2)
})

test('a plain client needs no initialize, and may send arrays', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/ws?service=one')
  client.send(ping)
  expect(await client.frame(0)).toEqual({ jsonrpc: '2.0', id: 'p', result: {} })
  client.send([ping, callTool(2, 'echo'), { jsonrpc: '2.0', method: 'n' }])
  expect(await client.frame(1)).toMatchObject([{ id: 'p' }, { id: 2 }])
  client.socket.send('nonsense')
  expect(await client.frame(2)).toMatchObject({ id: null, error: { code: -32700 } })
  client.send({ jsonrpc: '2.0' })
  expect(await client.frame(3)).toMatchObject({ id: null, error: { code: -32600 } })
  client.send([])
  expect(await client.frame(4)).toMatchObject({ id: null, error: { code: -32600 } })
  fixture.one.failure = new AppError('service_failed', 'It crashed.')
  client.send(ping)
  expect(await client.frame(5)).toMatchObject({ id: 'p', error: { code: -32603 } })
  expect(fixture.front.running).toBe(0)
})

test('a plain client is told in a frame why it is not served', async () => {
  await using fixture = await openMcpFront({ status: 'stopped' })
  const cases = [
    ['/ws', 'Service ID required'],
    ['/ws?service=nothing', 'Service nothing not found'],
    ['/ws?service=one', 'Service one is not running'],
  ] as const
  for (const [path, error] of cases) {
    using client = await connect(fixture, path)
    expect(await client.frame(0)).toEqual({ error })
    await client.closed
  }
})

test('the handshake is refused without a key, for a foreign page, and for what an SDK asks for in vain', async () => {
  await using fixture = await openMcpFront()
  const keyless = await refusal(fixture, '/ws?service=one', [])
  expect(keyless.status).toBe(401)
  expect(keyless.text).toContain('"jsonrpc":"2.0"')
  const key = 'X-Api-Key: alice'
  const foreign = ['Origin: https://evil.example', key]
  expect((await refusal(fixture, '/one', foreign)).status).toBe(403)
  const unknown = ['Sec-WebSocket-Protocol: mcp', key]
  expect((await refusal(fixture, '/ws?service=nothing', unknown)).status).toBe(404)
  const notAnUpgrade = await fetch(`${fixture.url}/ws`, { headers: { 'x-api-key': 'alice' } })
  expect(notAnUpgrade.status).toBe(426)
  await notAnUpgrade.text()
})

test('questions are answered over the socket', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  client.send(initialize())
  client.send(callTool(1, 'ask'))
  const question = (await client.frame(1)) as { id: number; method: string }
  expect(question.method).toBe('elicitation/create')
  client.send({ jsonrpc: '2.0', id: question.id, result: { action: 'decline' } })
  expect(JSON.stringify(await client.frame(2))).toContain('decline')
})

test('requests of revision 2026-07-28 stand for themselves, and are cancelled by a notification', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  const call = (id: number, name: string) => ({
    ...callTool(id, name),
    params: { name, arguments: {}, _meta: meta },
  })
  client.send(call(1, 'echo'))
  expect(await client.frame(0)).toMatchObject({ id: 1, result: { resultType: 'complete' } })
  client.send(call(2, 'hold'))
  const isHeld = () => fixture.one.relays.some(({ held }) => held.size > 0)
  await until(isHeld)
  const params = { requestId: 2, _meta: meta }
  client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
  await until(() => !isHeld())
  const broken = { ...meta, 'io.modelcontextprotocol/protocolVersion': 'v9' }
  client.send({ jsonrpc: '2.0', id: 3, method: 'tools/list', params: { _meta: broken } })
  expect(await client.frame(1)).toMatchObject({ id: 3, error: { code: -32022 } })
  client.send(call(4, 'hold'))
  await until(isHeld)
  client.socket.terminate()
  await until(() => fixture.one.alive.length === 0)
})

test('binary frames close with 1003, frames above the limit with 1009', async () => {
  await using fixture = await openMcpFront({ config: { bodyBytesMax: 1_000 } })
  using binary = await connect(fixture, '/one')
  binary.socket.send(Buffer.from('{}'), { binary: true })
  expect(await binary.closed).toBe(1003)
  using large = await connect(fixture, '/one')
  large.socket.send('x'.repeat(2_000))
  expect(await large.closed).toBe(1009)
  await until(() => fixture.front.sessions.webSocket === 0)
})

test('S11 when the key stops working, the socket closes with 4401 within two seconds', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  const { alice } = fixture.callers
  if (alice !== undefined) alice.usable = false
  const begun = performance.now()
  expect(await client.closed).toBe(4401)
  expect(performance.now() - begun).toBeLessThan(2_000)
})

test('S11 a client that does not close its socket when its key has ended is not heard, and cut', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  client.send(ping)
  await client.frame(0)
  const { alice } = fixture.callers
  if (alice !== undefined) alice.usable = false
  // It reads nothing any more, and so never sees that the server wants to close.
  client.socket.pause()
  client.socket.on('error', () => {})
  const { calls } = fixture.one.relays[0] ?? { calls: [] }
  await until(() => {
    client.send(ping)
    return fixture.front.sessions.webSocket === 0
  })
  const heard = calls.length
  expect(heard).toBeLessThan(1_000)
  expect(fixture.one.alive).toEqual([])
})

test('a client that answers two pings with nothing is cut, one that answers is not', async () => {
  const clock = createTestClock()
  await using fixture = await openMcpFront({ clock })
  using silent = await connect(fixture, '/one', { autoPong: false })
  using lively = await connect(fixture, '/one')
  let pings = 0
  lively.socket.on('ping', () => (pings += 1))
  for (let round = 1; round <= 3; round += 1) {
    clock.advance(26_000)
    await until(() => pings >= round)
  }
  expect(await silent.closed).toBe(1006)
  expect(lively.socket.readyState).toBe(WebSocket.OPEN)
})

test('a socket whose server lost what it kept is closed', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  client.send(initialize())
  await client.frame(0)
  fixture.one.relays[0]?.lose()
  expect(await client.closed).toBe(4404)
})

test('stopping closes sockets with 1001', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  fixture.front.stop()
  expect(await client.closed).toBe(1001)
})

test('a socket that is not read is cut', async () => {
  await using fixture = await openMcpFront()
  using client = await connect(fixture, '/one', { subprotocol: 'mcp' })
  client.send(initialize())
  await client.frame(0)
  client.socket.pause()
  client.socket.on('error', () => {})
  const data = 'x'.repeat(256 * 1024)
  await until(() => {
    for (const listener of fixture.one.relays[0]?.listeners ?? []) {
      listener.onNotification(makeNotification('notifications/message', { data }))
    }
    return fixture.front.sessions.webSocket === 0
  }, 'the socket to be cut')
  expect(fixture.one.alive).toHaveLength(0)
})
