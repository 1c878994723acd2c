import { text as readText } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { call, logCall, requestFrom } from '../../../../../test/support/call-log.ts'
import { serveHttp, serveModern } from '../../../../../test/support/mcp-servers.ts'
import { openRemote } from '../../../../../test/support/remote.ts'

const envelope =
  '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}'

function request(method: string, params = '', meta = ''): string {
  return `{"jsonrpc":"2.0","id":"m","method":"${method}","params":{${params}"_meta":{${envelope}${meta}}}}`
}

const toolCall = (name: string, meta = '') =>
  request('tools/call', `"name":"${name}","arguments":{"text":"hi"},`, meta)

test('a modern server is found, and called without a session', async () => {
  await using server = await serveModern()
  await using opened = await openRemote(server.url)
  expect(opened.transport).toBe('streamable-http')
  expect(opened.connection.hello).toMatchObject({
    era: 'modern',
    protocolVersion: '2026-07-28',
    serverInfo: { name: 'modern', version: '1' },
    instructions: 'Be brief.',
  })
  expect(await call(opened.connection, toolCall('echo'))).toMatch(/"id":"m".*hi|hi.*"id":"m"/)
  expect(server.requests.at(-1)?.headers).toMatchObject({
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo',
  })
})

test('progress of equal tokens comes to its own call, before the answer', async () => {
  await using server = await serveModern()
  await using opened = await openRemote(server.url)
  const [one, other] = [logCall(), logCall()]
  const text = toolCall('steps', ',"progressToken":1')
  opened.connection.request(requestFrom(text), one)
  opened.connection.request(requestFrom(text), other)
  await Promise.all([one.answer, other.answer])
  const expected = ['notification', 'notification', 'notification', 'response']
  expect([one.order, other.order]).toEqual([expected, expected])
  expect(one.notifications[0]?.bytes.toString()).toMatch(/"progressToken":1[,}]/)
})

test('to cancel is to close the stream, without a word', async () => {
  await using server = await serveModern()
  await using opened = await openRemote(server.url)
  const running = opened.connection.request(requestFrom(toolCall('wait')), logCall())
  await expect.poll(() => server.requests.length).toBe(2)
  await call(opened.connection, toolCall('echo'))
  running.cancel()
  await expect.poll(() => server.cancelled.length).toBe(1)
  expect(server.requests).toHaveLength(3)
  expect(opened.connection.running).toBe(0)
})

test('a subscription is a long call whose notifications carry the id of the client', async () => {
  await using server = await serveModern()
  await using opened = await openRemote(server.url)
  const log = logCall()
  const listen = request('subscriptions/listen', '"notifications":{"toolsListChanged":true},')
  const running = opened.connection.request(requestFrom(listen), log)
  const ack = await log.notified
  expect(ack.method).toBe('notifications/subscriptions/acknowledged')
  server.notify.toolsChanged()
  await expect.poll(() => log.notifications.length).toBe(2)
  for (const { bytes } of log.notifications) {
    expect(bytes.toString()).toContain('"io.modelcontextprotocol/subscriptionId":"m"')
  }
  running.cancel()
  expect(opened.connection.running).toBe(0)
})

test('an error with status 400 or 404 is the answer to the call', async () => {
  await using server = await serveModern()
  await using opened = await openRemote(server.url)
  expect(await call(opened.connection, request('no/such'))).toMatch(/"id":"m"/)
  expect(await call(opened.connection, request('no/such'))).toContain('-32601')
  const unfit = '{"jsonrpc":"2.0","id":"m","method":"tools/list","params":{}}'
  expect(await call(opened.connection, unfit)).toContain('"error"')
})

/** A modern server that answers with what it was sent. */
function serveEcho() {
  return serveHttp(async (req, res) => {
    const text = await readText(req)
    const { id, method } = JSON.parse(text) as { id?: number; method: string }
    if (id === undefined) return void res.writeHead(202).end()
    if (method === 'cut') return void res.destroy()
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    if (method === 'half') return void res.end(': nothing\n\n')
    if (method === 'ask') {
      res.write('data: {"jsonrpc":"2.0","id":1,"method":"roots/list"}\n\n')
    }
    const result = `{"supportedVersions":["2026-07-28"],"sent":${text}}`
    res.end(`data: {"jsonrpc":"2.0","id":${id},\r\ndata: "result":${result}}\r\n\r\n`)
  })
}

test('names that a header cannot carry are encoded, and headers of parameters pass as they are', async () => {
  await using server = await serveEcho()
  await using opened = await openRemote(server.url)
  const log = logCall()
  opened.connection.request(requestFrom(request('resources/read', '"uri":"file:///größe",')), log, {
    paramHeaders: ['Mcp-Param-Region', 'eu'],
  })
  expect((await log.answer).bytes.toString()).toContain('größe')
  expect(server.requests.at(-1)?.headers).toMatchObject({
    'mcp-name': `=?base64?${Buffer.from('file:///größe').toString('base64')}?=`,
    'mcp-param-region': 'eu',
  })
})

test('a stream that ends without an answer, and a connection that is cut, are failures', async () => {
  await using server = await serveEcho()
  await using opened = await openRemote(server.url)
  await expect(call(opened.connection, request('half'))).rejects.toMatchObject({
    code: 'upstream_failed',
    message: 'The server ended its answer before it was complete.',
  })
  await expect(call(opened.connection, request('cut'))).rejects.toMatchObject({
    code: 'upstream_failed',
    message: 'The server broke off the connection.',
  })
})

test('a request of the server, which no modern server makes, is noise', async () => {
  await using server = await serveEcho()
  await using opened = await openRemote(server.url)
  expect(await call(opened.connection, request('ask'))).toContain('"result"')
  expect(opened.noise).toEqual(['The server sent a request: roots/list'])
})

test('calls under way fail when the connection is disposed of', async () => {
  await using server = await serveModern()
  const opened = await openRemote(server.url)
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('wait')), log)
  await opened[Symbol.asyncDispose]()
  await expect(log.answer).rejects.toMatchObject({ code: 'upstream_failed' })
  expect(await opened.connection.closed).toBeUndefined()
})
