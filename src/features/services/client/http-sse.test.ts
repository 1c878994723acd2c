import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import {
  callTool,
  initialize,
  mcpHeaders,
  openStream,
  post,
  until,
  type OpenStream,
} from '../../../../test/support/mcp-client.ts'
import { openMcpFront, type McpFrontFixture } from '../../../../test/support/mcp-front.ts'
import { makeNotification } from '../wire/rpc-message.ts'

const json = { 'content-type': 'application/json' }

async function connect(
  fixture: McpFrontFixture,
  path = '/one/sse',
): Promise<OpenStream & { readonly address: string }> {
  const stream = await openStream(`${fixture.url}${path}`, mcpHeaders)
  const [endpoint] = await stream.until(1)
  const address = new URL(endpoint?.data ?? '', fixture.url).href
  return Object.assign(stream, { address })
}

test('the first event says where to post to, with an id that cannot be guessed', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
  expect(stream.events[0]?.name).toBe('endpoint')
  expect(stream.events[0]?.data).toMatch(
    /^\/mcp\/one\/message\?sessionId=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}$/,
  )
  await using all = await connect(fixture, '/sse')
  expect(all.events[0]?.data).toMatch(/^\/mcp\/message\?sessionId=/)
})

test('messages are posted without a key, accepted with 202, and answered on the stream', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  const accepted = await post(stream.address, initialize('2024-11-05'), json)
  expect([accepted.status, accepted.text]).toEqual([202, 'Accepted'])
  await post(stream.address, callTool(1, 'echo', { a: 1 }), json)
  await post(stream.address, callTool(2, 'ask'), json)
  const events = await stream.until(4)
  expect(events.slice(1).every(({ name }) => name === 'message')).toBe(true)
  expect(events[1]?.data).toContain('"protocolVersion":"2024-11-05"')
  expect(events[2]?.data).toContain('"id":1')
  const { id } = JSON.parse(events[3]?.data ?? '') as { id: number }
  await post(stream.address, { jsonrpc: '2.0', id, result: { action: 'cancel' } }, json)
  expect((await stream.until(5))[4]?.data).toContain('cancel')
  expect(fixture.one.relays).toHaveLength(1)
  expect(fixture.one.relays[0]?.profile.sessionId).toBeDefined()
})

test('what belongs to no call comes on the stream', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  await post(stream.address, initialize(), json)
  await stream.until(2)
  for (const listener of fixture.one.relays[0]?.listeners ?? []) {
    listener.onNotification(makeNotification('notifications/tools/list_changed'))
  }
  expect((await stream.until(3))[2]?.data).toContain('list_changed')
})

test('an array is taken apart, what cannot be read is refused', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  const batch = [initialize(), callTool(1, 'echo')]
  expect((await post(stream.address, batch, json)).status).toBe(202)
  await stream.until(3)
  expect((await post(stream.address, '{', json)).status).toBe(400)
  expect((await post(stream.address, [7], json)).status).toBe(400)
  expect((await post(stream.address, {}, { 'content-type': 'text/plain' })).status).toBe(415)
})

test('a message without a session id is 400, one for a session that is unknown 404', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  const missing = await post(`${fixture.url}/one/message`, initialize(), json)
  expect([missing.status, missing.text]).toEqual([400, 'No sessionId provided'])
  const unknown = `${fixture.url}/one/message?sessionId=00000000-0000-4000-8000-000000000000`
  expect((await post(unknown, initialize(), json)).status).toBe(404)
  const elsewhere = stream.address.replace('/one/', '/two/')
  expect((await post(elsewhere, initialize(), json)).status).toBe(404)
})

test('S40 a key that comes with a message has to be the one that got the session', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  const bob = { ...json, authorization: 'Bearer bob' }
  expect((await post(stream.address, initialize(), bob)).status).toBe(404)
  const nobody = { ...json, authorization: 'Bearer nobody' }
  expect((await post(stream.address, initialize(), nobody)).status).toBe(401)
  const alice = { ...json, authorization: 'Bearer alice' }
  expect((await post(stream.address, initialize(), alice)).status).toBe(202)
})

test('a message above the limit is 413', async () => {
  await using fixture = await openMcpFront({ config: { bodyBytesMax: 500 } })
  await using stream = await connect(fixture)
  const answer = await post(stream.address, callTool(1, 'echo', { x: 'y'.repeat(600) }), json)
  expect(answer.status).toBe(413)
})

test('refusals of the stream are in the words that its clients know', async () => {
  await using fixture = await openMcpFront()
  const unauthorized = await fetch(`${fixture.url}/one/sse?apiKey=wrong`)
  expect(unauthorized.status).toBe(401)
  expect(unauthorized.headers.get('www-authenticate')).toBe('Bearer')
  expect(await unauthorized.json()).toEqual({ error: 'MCP Unauthorized' })
  const missing = await fetch(`${fixture.url}/nothing/sse?apiKey=alice`)
  expect(missing.status).toBe(404)
  expect(await missing.json()).toEqual({ error: "MCP Server 'nothing' Not found" })
})

test('the end of the stream is the end of the session', async () => {
  await using fixture = await openMcpFront()
  const stream = await connect(fixture)
  await post(stream.address, initialize(), json)
  await post(stream.address, callTool(1, 'hold'), json)
  await until(() => fixture.front.running === 1)
  stream.cut()
  await until(() => fixture.one.alive.length === 0)
  await until(() => fixture.front.sessions.sse === 0)
  expect((await post(stream.address, callTool(2, 'echo'), json)).status).toBe(404)
})

test('a client that goes while its request is looked at leaves nothing behind', async () => {
  const looking = Promise.withResolvers<void>()
  const looked = Promise.withResolvers<void>()
  const beforeProxy = () => {
    looking.resolve()
    return looked.promise
  }
  await using fixture = await openMcpFront({ beforeProxy })
  const controller = new AbortController()
  const { signal } = controller
  const opening = fetch(`${fixture.url}/proxy/sse`, { headers: mcpHeaders, signal })
  await looking.promise
  controller.abort()
  await expect(opening).rejects.toThrow('abort')
  await until(() => fixture.openSockets() === 0)
  looked.resolve()
  await until(() => fixture.channels.length === 1)
  await fixture.channels[0]?.closed
  await until(() => fixture.front.sessions.sse === 0)
})

test('a message that arrives when its stream has ended opens nothing', async () => {
  await using fixture = await openMcpFront()
  const stream = await connect(fixture)
  const sending = request(stream.address, { method: 'POST', headers: json })
  const answered = once(sending, 'response')
  sending.write('{"jsonrpc":"2.0",')
  await until(() => fixture.openSockets() === 2)
  stream.cut()
  await until(() => fixture.front.sessions.sse === 0)
  sending.end('"id":1,"method":"ping"}')
  const [response] = (await answered) as [IncomingMessage]
  response.resume()
  expect(fixture.one.relays).toEqual([])
})

test('a client that waits for very many answers has to wait with further calls', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  await post(stream.address, initialize(), json)
  for (let batch = 0; batch < 10; batch += 1) {
    const calls = Array.from({ length: 100 }, (_, index) =>
      callTool(batch * 100 + index + 1, 'hold'),
    )
    await post(stream.address, calls, json)
  }
  await post(stream.address, callTool('more', 'echo'), json)
  expect((await stream.until(3))[2]?.data).toContain('"code":"overloaded"')
})

test('a session whose server lost what it kept is ended', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture)
  await post(stream.address, initialize(), json)
  fixture.one.relays[0]?.lose()
  await stream.ended
  expect(fixture.front.sessions.sse).toBe(0)
})

test('connections of think end five seconds before the limit, others stay', async () => {
  const clock = createTestClock()
  await using fixture = await openMcpFront({ clock, config: { maxDurationMs: 60_000 } })
  await using think = await connect(fixture, '/think/sse')
  await using one = await connect(fixture)
  clock.advance(54_000)
  await until(() => think.text().length > 0)
  expect(fixture.front.sessions.sse).toBe(2)
  clock.advance(1_500)
  await think.ended
  expect(fixture.front.sessions.sse).toBe(1)
  expect(one.text()).not.toContain('time is up')
})

test('a special name gets the channel as it is, and both ends can close it', async () => {
  await using fixture = await openMcpFront()
  await using stream = await connect(fixture, '/proxy/sse')
  const [channel] = fixture.channels
  await post(stream.address, callTool(1, 'echo'), json)
  const received: string[] = []
  channel?.receive((bytes) => received.push(bytes.toString()))
  await post(stream.address, '{ "jsonrpc":"2.0", "id":2, "method":"ping" }', json)
  expect(received).toEqual([
    JSON.stringify(callTool(1, 'echo')),
    '{ "jsonrpc":"2.0", "id":2, "method":"ping" }',
  ])
  await channel?.send(Buffer.from('{"jsonrpc":"2.0",\n"id":1,\r\n"result":{}}'))
  const [, event] = await stream.until(2)
  expect(JSON.parse(event?.data ?? '')).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
  await channel?.[Symbol.asyncDispose]()
  await stream.ended
  expect(await channel?.closed).toBeUndefined()
  expect(fixture.front.sessions.sse).toBe(0)
})

test('a key has a bounded number of connections', async () => {
  await using fixture = await openMcpFront({ config: { sessionsPerKeyMax: 1 } })
  await using stream = await connect(fixture)
  const refused = await fetch(`${fixture.url}/one/sse`, { headers: mcpHeaders })
  expect(refused.status).toBe(429)
  await refused.text()
  stream.cut()
  await until(() => fixture.front.sessions.sse === 0)
  await using again = await connect(fixture)
  expect(again.events).toHaveLength(1)
})
