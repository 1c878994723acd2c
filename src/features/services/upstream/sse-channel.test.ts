import type { ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { call, logCall, logListener, requestFrom } from '../../../../test/support/call-log.ts'
import { serveHttp, serveSse } from '../../../../test/support/mcp-servers.ts'
import { openRemote } from '../../../../test/support/remote.ts'
import { makeResult } from '../wire/rpc-message.ts'

function toolCall(name: string): string {
  return `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"${name}","arguments":{},"_meta":{"progressToken":"t"}}}`
}

test('calls, progress and questions of the server go over one stream', async () => {
  await using server = await serveSse()
  const listener = logListener()
  await using opened = await openRemote(server.url, {
    transport: 'sse',
    listener,
    client: { capabilities: { roots: {} }, clientInfo: { name: 'test', version: '1' } },
  })
  expect(opened.connection.attributesRequests).toBe(false)
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('steps')), log)
  await log.answer
  expect(log.order).toEqual(['notification', 'notification', 'notification', 'response'])
  const asking = call(opened.connection, toolCall('ask'))
  const { respond } = await listener.asked
  respond(makeResult('0', { roots: [{ uri: 'file:///b' }] }))
  expect(await asking).toContain('file:///b')
})

test('when the stream ends, calls fail and the connection is over', async () => {
  const server = await serveSse()
  await using opened = await openRemote(server.url, { transport: 'sse' })
  const log = logCall()
  opened.connection.request(requestFrom(toolCall('wait')), log)
  await expect.poll(() => server.requests.length).toBe(4)
  await server[Symbol.asyncDispose]()
  await expect(log.answer).rejects.toMatchObject({ code: 'upstream_failed' })
  expect((await opened.connection.closed)?.code).toBe('upstream_failed')
})

/** A server whose stream names an endpoint, and which answers POSTs with a status. */
function serveEndpoint(endpoint: string, status: (method: string) => number = () => 202) {
  const stream = Promise.withResolvers<ServerResponse>()
  return serveHttp(async (req, res) => {
    if (req.method === 'GET') {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(`event: endpoint\ndata: ${endpoint}\n\n`)
      return stream.resolve(res)
    }
    const { id, method } = JSON.parse(await readText(req)) as { id?: number; method: string }
    const code = status(method)
    res.writeHead(code).end()
    if (id === undefined || code !== 202) return
    const result = '{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{}}'
    const target = await stream.promise
    target.write(`data: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`)
  })
}

test('an endpoint of another origin is not believed', async () => {
  let visits = 0
  await using foreign = await serveHttp(() => void (visits += 1))
  await using server = await serveEndpoint(foreign.url)
  await expect(openRemote(server.url, { transport: 'sse' })).rejects.toMatchObject({
    message: 'The server names a foreign address.',
  })
  expect(visits).toBe(0)
})

test('a message that the server refuses harms no other, and a lost session ends all', async () => {
  const statuses: Record<string, number> = { bad: 413, gone: 404 }
  await using server = await serveEndpoint('post?x=1', (method) => statuses[method] ?? 202)
  await using opened = await openRemote(server.url, { transport: 'sse' })
  expect(await call(opened.connection, '{"jsonrpc":"2.0","id":"b","method":"bad"}')).toContain(
    'status 413',
  )
  expect(await call(opened.connection, '{"jsonrpc":"2.0","id":"g","method":"good"}')).toContain(
    '"result"',
  )
  await expect(
    call(opened.connection, '{"jsonrpc":"2.0","id":"g","method":"gone"}'),
  ).rejects.toMatchObject({ code: 'session_not_found' })
  expect(server.requests.at(-1)?.url).toBe('/post?x=1')
})
