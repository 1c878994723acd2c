import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import {
  beginSession,
  callTool,
  mcpHeaders,
  openStream,
  post,
  until,
} from '../../../../test/support/mcp-client.ts'
import { toolResult } from '../../../../test/support/mcp-endpoint.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import type { CallSink } from '../upstream/connection.ts'
import { makeNotification } from '../wire/rpc-message.ts'

const ping = { jsonrpc: '2.0', id: 5, method: 'ping' }

test('a session that nobody uses ends, one with an open stream does not', async () => {
  const clock = createTestClock()
  await using fixture = await openMcpFront({ clock, config: { sessionIdleMs: 60_000 } })
  const url = `${fixture.url}/one`
  const idle = await beginSession(url)
  const listening = await beginSession(url)
  await using stream = await openStream(url, listening)
  await stream.until(1)
  clock.advance(61_000)
  await until(() => fixture.front.sessions.streamable === 1, 'the idle session to end')
  expect((await post(url, ping, idle)).status).toBe(404)
  expect((await post(url, ping, listening)).status).toBe(200)
})

test('a sealed id opens for no longer than a client may be away', async () => {
  const clock = createTestClock()
  const first = await openMcpFront({ clock })
  const session = await beginSession(`${first.url}/one`)
  await first[Symbol.asyncDispose]()
  clock.advance(8 * 24 * 60 * 60_000)
  await using second = await openMcpFront({ clock })
  expect((await post(`${second.url}/one`, ping, session)).status).toBe(404)
})

test('beyond the bound the session idle longest makes room, and is taken up again when it is used', async () => {
  await using fixture = await openMcpFront({ config: { sessionsMax: 3 } })
  const url = `${fixture.url}/one`
  const first = await beginSession(url)
  const second = await beginSession(url)
  await beginSession(url)
  await post(url, ping, first)
  await beginSession(url)
  expect(fixture.front.sessions.streamable).toBe(3)
  expect(fixture.one.relays.map(({ isDisposed }) => isDisposed)).toEqual([
    false,
    true,
    false,
    false,
  ])
  expect((await post(url, ping, second)).status).toBe(200)
  expect(fixture.front.sessions.streamable).toBe(3)
})

test('one key cannot push out the sessions of another', async () => {
  await using fixture = await openMcpFront({ config: { sessionsPerKeyMax: 2 } })
  const url = `${fixture.url}/one`
  await beginSession(url, { key: 'bob' })
  for (let count = 0; count < 5; count += 1) await beginSession(url)
  expect(fixture.front.sessions.streamable).toBe(3)
  const keys = fixture.one.alive.map(({ profile }) => profile.caller.keyId)
  expect(keys.toSorted()).toEqual(['key_alice', 'key_alice', 'key_bob'])
})

test('a call under way keeps its session when another has to make room', async () => {
  await using fixture = await openMcpFront({ config: { sessionsMax: 2 } })
  const url = `${fixture.url}/one`
  const busy = await beginSession(url)
  await using stream = await openStream(url, busy, callTool(3, 'hold'))
  await beginSession(url)
  await beginSession(url)
  fixture.one.relays[0]?.held.get('3')?.onResponse(toolResult('3', 'late'))
  await stream.ended
  expect(stream.events.at(-1)?.data).toContain('late')
})

test('S11 when a key stops working, its streams end within two seconds', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using get = await openStream(url, session)
  await using call = await openStream(url, session, callTool(3, 'hold'))
  await using sse = await openStream(`${url}/sse`, mcpHeaders)
  await Promise.all([get.until(1), call.until(1), sse.until(1)])
  const { alice } = fixture.callers
  if (alice !== undefined) alice.usable = false
  const begun = performance.now()
  await Promise.all([get.ended, call.ended, sse.ended])
  expect(performance.now() - begun).toBeLessThan(2_000)
  expect(fixture.one.alive).toHaveLength(0)
})

test('silence on a stream is broken by comments', async () => {
  await using fixture = await openMcpFront({ config: { keepAliveMs: 100 } })
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using get = await openStream(url, session)
  await using call = await openStream(url, session, callTool(3, 'hold'))
  await using sse = await openStream(`${url}/sse`, mcpHeaders)
  for (const stream of [get, call, sse]) {
    await until(() => stream.text().includes(': keep-alive\n\n'), 'a comment')
    expect(stream.text()).not.toContain('"error"')
  }
})

test('clients that connect and vanish leave nothing behind', { timeout: 60_000 }, async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  let calls = 0
  const vanish = async () => {
    const streams = await Promise.all([
      openStream(url, session),
      openStream(url, session, callTool((calls += 1), 'hold')),
      openStream(`${url}/sse`, mcpHeaders),
      openStream(url, modernHeaders, modernListen),
    ])
    for (const stream of streams) await stream[Symbol.asyncDispose]()
  }
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(Array.from({ length: 25 }, vanish))
  }
  await until(() => fixture.one.alive.length === 1, 'relays to be disposed of')
  const held = fixture.one.relays[0]?.held ?? new Map<string, CallSink>()
  expect([fixture.front.running, held.size]).toEqual([125, 125])
  for (const [id, sink] of held) sink.onResponse(toolResult(id, 'late'))
  await until(() => fixture.front.sessions.sse === 0, 'SSE to be gone')
  expect(fixture.front.sessions).toEqual({ streamable: 1, streams: 0, sse: 0, webSocket: 0 })
  expect(fixture.front.running).toBe(0)
})

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const modernHeaders = {
  ...mcpHeaders,
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'subscriptions/listen',
}
const modernListen = {
  jsonrpc: '2.0',
  id: 'listen',
  method: 'subscriptions/listen',
  params: { notifications: { toolsListChanged: true }, _meta: meta },
}

test('a client that does not read is cut, and what waits for it is bounded', async () => {
  await using fixture = await openMcpFront()
  const session = await beginSession(`${fixture.url}/one`)
  const socket = connect(fixture.port, '127.0.0.1')
  const closed = once(socket, 'close')
  socket.on('error', () => {})
  const headers = { ...session, host: '127.0.0.1', accept: 'text/event-stream' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET /mcp/one HTTP/1.1\r\n${lines.join('')}\r\n`)
  await once(socket, 'readable')
  const [relay] = fixture.one.relays
  await until(() => relay?.listeners.size === 1)
  const data = 'x'.repeat(256 * 1024)
  const notification = makeNotification('notifications/message', { level: 'info', data })
  const send = () => {
    for (const listener of relay?.listeners ?? []) listener.onNotification(notification)
  }
  let sent = 0
  await until(() => {
    send()
    sent += 1
    return fixture.front.sessions.streams === 0
  }, 'the client to be cut')
  expect(sent).toBeLessThan(200)
  socket.resume()
  await closed
  expect((await post(`${fixture.url}/one`, ping, session)).status).toBe(200)
})

test('stopping ends what would stay open, and lets what is being answered go on', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using get = await openStream(url, session)
  await using sse = await openStream(`${url}/sse`, mcpHeaders)
  await using listening = await openStream(url, modernHeaders, modernListen)
  await using call = await openStream(url, session, callTool(3, 'hold'))
  await Promise.all([get.until(1), sse.until(1), listening.until(1)])
  fixture.front.stop()
  await Promise.all([get.ended, sse.ended, listening.ended])
  expect(get.text()).toContain(': closing')
  fixture.one.relays[0]?.held.get('3')?.onResponse(toolResult('3', 'late'))
  await call.ended
  expect(call.events.at(-1)?.data).toContain('late')
  expect((await fetch(url, { headers: session })).status).toBe(503)
})
