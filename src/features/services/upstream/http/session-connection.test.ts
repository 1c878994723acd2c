import type { IncomingMessage, ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { call, logCall, logListener, requestFrom } from '../../../../../test/support/call-log.ts'
import { serveHttp, serveSessions } from '../../../../../test/support/mcp-servers.ts'
import { openRemote } from '../../../../../test/support/remote.ts'
import { makeResult } from '../../wire/rpc-message.ts'

function toolCall(name: string, rest = ''): string {
  return `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"${name}","arguments":{}${rest}}}`
}

test('a session is opened, used and deleted', async () => {
  await using server = await serveSessions()
  const opened = await openRemote(server.url, { headers: () => ['authorization', 'Bearer up'] })
  const { connection, transport } = opened
  expect(transport).toBe('streamable-http')
  expect(connection.hello).toMatchObject({
    era: 'legacy',
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'legacy', version: '1' },
    instructions: 'Be kind.',
  })
  expect(await call(connection, '{"jsonrpc":"2.0","id":"x","method":"tools/list"}')).toContain(
    '"id":"x"',
  )
  await opened[Symbol.asyncDispose]()
  const last = server.requests.at(-1)
  expect(last?.method).toBe('DELETE')
  expect(last?.headers).toMatchObject({
    'mcp-protocol-version': '2025-11-25',
    authorization: 'Bearer up',
  })
  expect(server.sessions.size).toBe(0)
})

test('progress comes before the answer, with the token of the client', async () => {
  await using server = await serveSessions()
  await using opened = await openRemote(server.url)
  const [one, other] = [logCall(), logCall()]
  opened.connection.request(requestFrom(toolCall('steps', ',"_meta":{"progressToken":"t"}')), one)
  opened.connection.request(requestFrom(toolCall('steps', ',"_meta":{"progressToken":"t"}')), other)
  await Promise.all([one.answer, other.answer])
  const expected = ['notification', 'notification', 'notification', 'response']
  expect([one.order, other.order]).toEqual([expected, expected])
  expect(one.notifications[0]?.bytes.toString()).toContain('"progressToken":"t"')
})

test('a request of the server is one of the call that caused it, and its answer goes back', async () => {
  await using server = await serveSessions()
  await using opened = await openRemote(server.url, {
    client: { capabilities: { roots: {} }, clientInfo: { name: 'test', version: '1' } },
  })
  expect(opened.connection.attributesRequests).toBe(true)
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('ask')), log)
  const { request, respond } = await log.asked
  expect(request.method).toBe('roots/list')
  respond(makeResult('0', { roots: [{ uri: 'file:///a' }] }))
  expect((await log.answer).bytes.toString()).toContain('file:///a')
})

test('what belongs to no call comes to the listener, from the very first message on', async () => {
  await using server = await serveSessions()
  const listener = logListener()
  await using opened = await openRemote(server.url, { listener })
  const [session] = server.sessions.values()
  session?.sendToolListChanged()
  await listener.heard('notifications/tools/list_changed')
  expect(opened.connection.running).toBe(0)
})

test('a cancelled call is told to the server', async () => {
  await using server = await serveSessions()
  await using opened = await openRemote(server.url)
  const log = logCall()
  const running = opened.connection.request(requestFrom(toolCall('wait')), log)
  await expect.poll(() => server.requests.filter(({ method }) => method === 'POST').length).toBe(4)
  await call(opened.connection, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  running.cancel('enough')
  await expect.poll(() => server.cancelled).toEqual(['enough'])
  expect(log.order).toEqual([])
})

test('an answer whose stream ends early is fetched with the id of the last event', async () => {
  await using server = await serveSessions({ resumable: true })
  await using opened = await openRemote(server.url)
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('detach')), log)
  expect((await log.answer).bytes.toString()).toContain('taken up')
  expect(log.order.at(-1)).toBe('response')
  expect(server.requests.at(-1)?.headers['last-event-id']).toBeDefined()
})

test('a session that the server has forgotten ends the connection, and calls under way', async () => {
  await using server = await serveSessions()
  await using opened = await openRemote(server.url)
  const waiting = logCall()
  opened.connection.request(requestFrom(toolCall('wait')), waiting)
  await call(opened.connection, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  server.forget()
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('echo')), log)
  await expect(log.answer).rejects.toMatchObject({ code: 'session_not_found' })
  await expect(waiting.answer).rejects.toMatchObject({ code: 'session_not_found' })
  expect((await opened.connection.closed)?.code).toBe('session_not_found')
})

const sse = { 'content-type': 'text/event-stream' }
const json = { 'content-type': 'application/json' }

/** A legacy server that does one thing its own way: how it answers requests after the handshake. */
function serveOwnWay(
  answer: (message: { id: number; text: string }, res: ServerResponse) => void,
  onGet: (req: IncomingMessage, res: ServerResponse) => void | Promise<void> = (_req, res) =>
    void res.writeHead(405).end(),
) {
  return serveHttp(async (req, res) => {
    if (req.method === 'GET') return onGet(req, res)
    if (req.method === 'DELETE') return void res.writeHead(405).end()
    const text = await readText(req)
    const { id, method } = JSON.parse(text) as { id?: number; method: string }
    if (id === undefined) return void res.writeHead(202).end()
    if (method === 'server/discover') return void res.writeHead(400).end('Bad Request')
    if (method !== 'initialize') return answer({ id, text }, res)
    const result = '{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s"}}'
    res.writeHead(200, { ...json, 'mcp-session-id': 's-1' })
    res.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
  })
}

const ask = '{"jsonrpc":"2.0","id":"q","method":"tools/list","params":{"n":12345678901234567890}}'

test('every byte of a message survives, also in an answer that is no stream', async () => {
  let received = ''
  await using server = await serveOwnWay(({ id, text }, res) => {
    received = text
    res.writeHead(200, json).end(`{"x":[1.0], "jsonrpc":"2.0","id":${id},"result":{"n":1e400}}`)
  })
  await using opened = await openRemote(server.url)
  expect(await call(opened.connection, ask)).toBe(
    '{"x":[1.0], "jsonrpc":"2.0","id":"q","result":{"n":1e400}}',
  )
  expect(received).toMatch(
    /^\{"jsonrpc":"2.0","id":\d+,"method":"tools\/list","params":\{"n":12345678901234567890\}\}$/,
  )
  expect(server.requests.at(-1)?.headers).toMatchObject({
    accept: 'application/json, text/event-stream',
    'mcp-session-id': 's-1',
    'mcp-protocol-version': '2025-06-18',
  })
})

test('a stream that is cut without ids of events is a failure of the call, and of no other', async () => {
  await using server = await serveOwnWay(({ id, text }, res) => {
    if (text.includes('"method":"ok"')) {
      res.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${id},"result":{}}`)
      return
    }
    res.writeHead(200, sse)
    res.write('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n')
    setImmediate(() => res.destroy())
  })
  await using opened = await openRemote(server.url)
  const log = logCall()
  opened.connection.request(requestFrom(ask), log)
  await expect(log.answer).rejects.toMatchObject({ code: 'upstream_failed' })
  expect(log.order).toEqual(['notification', 'failure'])
  expect(await call(opened.connection, '{"jsonrpc":"2.0","id":1,"method":"ok"}')).toContain(
    'result',
  )
})

test('statuses without a message are failures that name nothing but the status', async () => {
  await using server = await serveOwnWay((_message, res) => {
    res.writeHead(503, { 'x-secret': 'a' }).end('<html>internal 10.0.0.1</html>')
  })
  await using opened = await openRemote(server.url)
  await expect(call(opened.connection, ask)).rejects.toMatchObject({
    code: 'upstream_failed',
    message: 'The server answered with status 503.',
  })
})

test('an error with a body of its own is the answer, whatever its status and id', async () => {
  await using server = await serveOwnWay((_message, res) => {
    res.writeHead(403, json).end('{"jsonrpc":"2.0","error":{"code":-32050,"message":"no"}}')
  })
  await using opened = await openRemote(server.url)
  expect(await call(opened.connection, ask)).toBe(
    '{"jsonrpc":"2.0","error":{"code":-32050,"message":"no"},"id":"q"}',
  )
})

test('status 400 for an unknown session, as widespread servers have it, ends the session too', async () => {
  await using server = await serveOwnWay((_message, res) => {
    res.writeHead(400, json)
    res.end('{"jsonrpc":"2.0","error":{"code":-32000,"message":"No valid session ID"}}')
  })
  await using opened = await openRemote(server.url)
  await expect(call(opened.connection, ask)).rejects.toMatchObject({ code: 'session_not_found' })
  expect((await opened.connection.closed)?.code).toBe('session_not_found')
})

test('what is no message is skipped, and a message beyond the limit is a failure', async () => {
  await using server = await serveOwnWay(({ id, text }, res) => {
    res.writeHead(200, sse)
    res.write(': hello\n\ndata: no json\n\n')
    const x = text.includes('"method":"long"') ? 'x'.repeat(2_000) : ''
    res.end(`data: {"jsonrpc":"2.0","id":${id},"result":{"x":"${x}"}}\n\n`)
  })
  await using opened = await openRemote(server.url, { messageBytesMax: 1_000 })
  expect(await call(opened.connection, ask)).toContain('"result"')
  expect(opened.noise).toEqual(['no json'])
  await expect(
    call(opened.connection, '{"jsonrpc":"2.0","id":1,"method":"long"}'),
  ).rejects.toMatchObject({
    message: 'The server sent a message of more than 1000 bytes.',
  })
})

test('the stream of unsolicited messages is taken up again where it ended', async () => {
  const seen: (string | undefined)[] = []
  await using server = await serveOwnWay(
    (_message, res) => void res.end(),
    (req, res) => {
      seen.push(req.headers['last-event-id'] as string | undefined)
      res.writeHead(200, sse)
      const method = seen.length === 1 ? 'notifications/one' : 'notifications/two'
      res.write(`retry: 5\nid: e${seen.length}\ndata: {"jsonrpc":"2.0","method":"${method}"}\n\n`)
      if (seen.length === 1) res.end()
    },
  )
  const listener = logListener()
  await using opened = await openRemote(server.url, { listener })
  await listener.heard('notifications/two')
  expect(listener.methods).toEqual(['notifications/one', 'notifications/two'])
  expect(seen).toEqual([undefined, 'e1'])
  expect(opened.connection.running).toBe(0)
})

test('an answer whose connection is cut is taken up behind the last event that came', async () => {
  const pending = Promise.withResolvers<number>()
  await using server = await serveOwnWay(
    ({ id }, res) => {
      pending.resolve(id)
      res.writeHead(200, sse)
      res.write('retry: 5\nid: p1\ndata:\n\nid: p2\ndata: {"jsonrpc":"2.0","method":"n"}\n\n')
      setImmediate(() => res.destroy())
    },
    async (req, res) => {
      if (req.headers['last-event-id'] !== 'p2') return void res.writeHead(405).end()
      res.writeHead(200, sse)
      res.end(`data: {"jsonrpc":"2.0","id":${await pending.promise},"result":{"late":1}}\n\n`)
    },
  )
  await using opened = await openRemote(server.url)
  const log = logCall()
  opened.connection.request(requestFrom(ask), log)
  expect((await log.answer).bytes.toString()).toContain('"late":1')
  expect(log.order).toEqual(['notification', 'response'])
})

test('redirects are followed within the origin, and nowhere else', async () => {
  await using inside = await serveHttp(async (req, res) => {
    if (req.url === '/mcp') return void res.writeHead(307, { location: '/real' }).end()
    const { id } = JSON.parse((await readText(req)) || '{}') as { id?: number }
    if (id === undefined) return void res.writeHead(405).end()
    res.writeHead(200, json)
    res.end(`{"jsonrpc":"2.0","id":${id},"result":{"supportedVersions":["2026-07-28"]}}`)
  })
  await using opened = await openRemote(inside.url)
  expect(opened.connection.era).toBe('modern')
  let visits = 0
  await using target = await serveHttp(() => void (visits += 1))
  await using outside = await serveHttp((_req, res) => {
    res.writeHead(307, { location: target.url }).end()
  })
  await expect(openRemote(outside.url)).rejects.toMatchObject({ code: 'upstream_failed' })
  expect(visits).toBe(0)
})

test('configured headers are asked for each request, and cannot replace those of the transport', async () => {
  let count = 0
  await using server = await serveOwnWay(({ id }, res) => {
    res.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${id},"result":{}}`)
  })
  await using opened = await openRemote(server.url, {
    headers: () => ['X-Count', String((count += 1)), 'Content-Type', 'text/plain', 'Host', 'evil'],
  })
  await call(opened.connection, ask)
  const first = server.requests[0]?.headers
  const last = server.requests.at(-1)?.headers
  expect(Number(last?.['x-count'])).toBeGreaterThan(Number(first?.['x-count']))
  expect(last).toMatchObject({ 'content-type': 'application/json' })
  expect(last?.host).not.toBe('evil')
})
