import { once } from 'node:events'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { callSeed, startReverseProxy } from './support/reverse-proxy.ts'
import type { ReverseProxy } from './support/reverse-proxy.ts'

let proxy: ReverseProxy
let id: string

beforeAll(async () => {
  proxy = await startReverseProxy()
  id = await proxy.create({ autoStart: true })
  await proxy.post(`/${id}`, callSeed(1, 'echo'))
})

afterAll(() => proxy[Symbol.asyncDispose]())

interface Frame {
  readonly id?: unknown
  readonly method?: string
  readonly type?: string
  readonly message?: string
  readonly error?: unknown
  readonly params?: unknown
  readonly result?: unknown
}

interface Socket extends AsyncDisposable {
  readonly socket: WebSocket
  readonly frames: Frame[]
  send(message: object | string): void
  /** Resolves with the first frame, from now or before, for which `isIt` holds. */
  find(isIt: (frame: Frame) => boolean): Promise<Frame>
}

async function open(query: string, protocols: string[] = []): Promise<Socket> {
  const url = `${proxy.portico.url.replace('http', 'ws')}/mcp/ws${query}`
  const socket = new WebSocket(url, protocols)
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame))
  const closed = once(socket, 'close')
  await once(socket, 'open')
  return {
    socket,
    frames,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async find(isIt) {
      await vi.waitUntil(() => frames.some(isIt), 8_000)
      return frames.find(isIt) as Frame
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      await closed
    },
  }
}

test('a client gets the subprotocol mcp where it asks for it, and none where it does not', async () => {
  await using plain = await open(`?service=${id}`)
  expect(plain.socket.protocol).toBe('')
  await using ofSdk = await open(`?service=${id}`, ['mcp'])
  expect(ofSdk.socket.protocol).toBe('mcp')
})

test('requests of several sockets are answered each to its own, with its own id', async () => {
  await using one = await open(`?service=${id}`)
  await using other = await open(`?service=${id}`)
  one.send(callSeed(1, 'echo', { from: 'one' }))
  other.send(callSeed(1, 'echo', { from: 'other' }))
  one.send([callSeed('a', 'echo'), callSeed('b', 'echo')])
  expect(await one.find((frame) => frame.id === 1)).toMatchObject({
    result: { content: [{ text: '{"from":"one"}' }] },
  })
  expect(await other.find((frame) => frame.id === 1)).toMatchObject({
    result: { content: [{ text: '{"from":"other"}' }] },
  })
  const batch = await one.find((frame) => Array.isArray(frame))
  expect(batch).toMatchObject([{ id: 'a' }, { id: 'b' }])
})

test('a notification is answered with nothing, and what is no message with an error', async () => {
  await using client = await open(`?service=${id}`)
  client.send({ jsonrpc: '2.0', method: 'notifications/whatever' })
  client.send({ hello: 1 })
  expect(await client.find((frame) => frame.error !== undefined)).toMatchObject({
    id: null,
    error: { code: -32_600, message: 'Invalid Request' },
  })
  client.send('{')
  await client.find(({ error }) => JSON.stringify(error)?.includes('-32700') === true)
  expect(client.frames).toHaveLength(2)
})

test('no service, an unknown one and one that does not run are said in a frame, and the socket closes', async () => {
  const stopped = await proxy.create({ name: 'Stopped', proxy: { path: '/mcp/stopped' } })
  for (const [query, error] of [
    ['', 'Service ID required'],
    ['?service=', 'Service ID required'],
    ['?service=nothing', 'Service nothing not found'],
    [`?service=${stopped}`, `Service ${stopped} is not running`],
  ] as const) {
    await using client = await open(query)
    await once(client.socket, 'close')
    expect(client.frames).toEqual([{ error }])
  }
})

test('what the server says in a call goes to its caller, that its lists changed to everybody', async () => {
  await using one = await open(`?service=${id}`)
  await using other = await open(`?service=${id}`)
  for (const client of [one, other]) {
    client.send(callSeed('first', 'echo'))
    await client.find((frame) => frame.id === 'first')
  }
  one.send(callSeed(1, 'notify'))
  const { params } = await one.find(({ method }) => method === 'notifications/message')
  expect(params).toEqual({ level: 'info', data: 'notified' })
  one.send(callSeed(2, 'change'))
  const isChange = ({ method }: Frame) => method === 'notifications/tools/list_changed'
  await one.find(isChange)
  await other.find(isChange)
  expect(other.frames.map(({ method }) => method)).not.toContain('notifications/message')
})

test('a question of the server goes to nobody who did not ask for it, and one unanswered is refused', async () => {
  await using client = await open(`?service=${id}`)
  await using other = await open(`?service=${id}`)
  client.send(callSeed(7, 'ask'))
  const answer = await client.find((frame) => frame.id === 7)
  expect(JSON.stringify(answer.result)).toContain('refused -32601')
  expect(other.frames).toEqual([])
})

test('a page of another origin gets no socket', async () => {
  const url = `${proxy.portico.url.replace('http', 'ws')}/mcp/ws?service=${id}`
  const socket = new WebSocket(url, { origin: 'https://evil.example' })
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number },
  ]
  expect(response.statusCode).toBe(403)
  socket.terminate()
})
