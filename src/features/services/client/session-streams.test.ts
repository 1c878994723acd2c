import { expect, test } from 'vitest'
import {
  beginSession,
  callTool,
  initialize,
  mcpHeaders,
  openStream,
  post,
  readAnswer,
  until,
} from '../../../../test/support/mcp-client.ts'
import { toolResult, type OpenedRelay } from '../../../../test/support/mcp-endpoint.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import { makeNotification, makeRequest } from '../wire/rpc-message.ts'

function unsolicited(relay: OpenedRelay | undefined, data: unknown): void {
  for (const listener of relay?.listeners ?? []) {
    listener.onNotification(makeNotification('notifications/message', { level: 'info', data }))
  }
}

function dataOf(events: readonly { readonly data: string }[]): unknown[] {
  return events
    .filter(({ data }) => data !== '')
    .map(({ data }) => {
      const message = JSON.parse(data) as { params?: { data?: unknown }; id?: unknown }
      return message.params?.data ?? message.id
    })
}

test('an answer that comes alone is JSON, one with progress before it is a stream that ends with it', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const plain = await post(url, callTool(1, 'echo'), session)
  expect(plain.headers.get('content-type')).toBe('application/json')
  const streamed = await post(url, callTool(2, 'progress'), session)
  expect(streamed.headers.get('content-type')).toBe('text/event-stream')
  expect(streamed.headers.get('cache-control')).toBe('no-cache, no-transform')
  expect(streamed.headers.get('x-accel-buffering')).toBe('no')
  const [priming, ...messages] = streamed.events
  expect(priming).toMatchObject({ data: '' })
  expect(messages.map(({ name }) => name)).toEqual(['message', 'message', 'message'])
  expect(messages.at(-1)?.data).toContain('"id":2')
  expect(new Set(streamed.events.map(({ id }) => id)).size).toBe(4)
})

test('clients before 2025-11-25 get no event without data', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url, { version: '2025-06-18' })
  const { events, text } = await post(url, callTool(2, 'progress'), session)
  expect(events).toHaveLength(3)
  expect(text.startsWith(': open\n\n')).toBe(true)
})

test('the first byte of a call that takes its time is out in less than a second', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const begun = performance.now()
  await using stream = await openStream(url, session, callTool(3, 'hold'))
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
  await stream.until(1)
  expect(performance.now() - begun).toBeLessThan(1_000)
  fixture.one.relays[0]?.held.get('3')?.onResponse(toolResult('3', 'late'))
  await stream.ended
  expect(stream.events.at(-1)?.data).toContain('late')
})

test('a question of the server goes out on the stream of its call, under an id of the session, and the answer comes back', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using stream = await openStream(url, session, callTool(4, 'ask'))
  const [, question] = await stream.until(2)
  const { id, method } = JSON.parse(question?.data ?? '') as { id: number; method: string }
  expect(method).toBe('elicitation/create')
  expect(id).not.toBe(77)
  const bob = { ...session, authorization: 'Bearer bob' }
  const answer = { jsonrpc: '2.0', id, result: { action: 'decline' } }
  expect((await post(url, answer, bob)).status).toBe(404)
  expect((await post(url, answer, session)).status).toBe(202)
  await stream.ended
  expect(stream.events.at(-1)?.data).toContain('decline')
})

test('what belongs to no call comes on the stream of GET alone', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using held = await openStream(url, session, callTool(3, 'hold'))
  await using get = await openStream(url, session)
  await get.until(1)
  unsolicited(fixture.one.relays[0], 'all')
  for (const listener of fixture.one.relays[0]?.listeners ?? []) {
    listener.onRequest(makeRequest('1', 'roots/list'), () => {})
  }
  await get.until(3)
  expect(dataOf(get.events)[0]).toBe('all')
  expect(dataOf(held.events)).toEqual([])
})

test('a second GET wins over the first, and each message goes to exactly one of them', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using first = await openStream(url, session)
  await first.until(1)
  unsolicited(fixture.one.relays[0], 1)
  await first.until(2)
  await using second = await openStream(url, session)
  await first.ended
  unsolicited(fixture.one.relays[0], 2)
  await second.until(2)
  expect(dataOf(first.events)).toEqual([1])
  expect(dataOf(second.events)).toEqual([2])
  expect(fixture.front.sessions.streams).toBe(1)
})

test('what comes while the stream of GET is broken is sent on the next one, with or without the last event id', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const [relay] = fixture.one.relays
  const first = await openStream(url, session)
  unsolicited(relay, 1)
  unsolicited(relay, 2)
  const events = await first.until(3)
  const firstMessage = events[1]?.id ?? ''
  await first[Symbol.asyncDispose]()
  await until(() => fixture.front.sessions.streams === 0)
  unsolicited(relay, 3)
  const resumed = await openStream(url, { ...session, 'last-event-id': firstMessage })
  await resumed.until(3)
  expect(dataOf(resumed.events)).toEqual([2, 3])
  await resumed[Symbol.asyncDispose]()
  await until(() => fixture.front.sessions.streams === 0)
  unsolicited(relay, 4)
  await using fresh = await openStream(url, session)
  await fresh.until(2)
  expect(dataOf(fresh.events)).toEqual([4])
})

test('a client that loses the stream of a call does not cancel it, and resumes it with GET', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const [relay] = fixture.one.relays
  const stream = await openStream(url, session, callTool(3, 'hold'))
  const [priming] = await stream.until(1)
  await stream[Symbol.asyncDispose]()
  await until(() => fixture.front.sessions.streams === 0)
  const sink = relay?.held.get('3')
  sink?.onNotification(makeNotification('notifications/message', { data: 'meanwhile' }))
  const lastEventId = { 'last-event-id': priming?.id ?? '' }
  await using resumed = await openStream(url, { ...session, ...lastEventId })
  await resumed.until(2)
  sink?.onResponse(toolResult('3', 'late'))
  await resumed.ended
  expect(dataOf(resumed.events)).toEqual(['meanwhile', 3])
  expect(relay?.cancelled).toEqual([])
  // Once more, although the answer was sent: the client may have lost it again.
  const again = await readAnswer(await fetch(url, { headers: { ...session, ...lastEventId } }))
  expect(dataOf(again.events)).toEqual(['meanwhile', 3])
})

test('a stream is resumed by its own session alone', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const other = await beginSession(url)
  const { events } = await post(url, callTool(1, 'progress'), session)
  const lastEventId = { 'last-event-id': events[0]?.id ?? '' }
  await using stream = await openStream(url, { ...other, ...lastEventId })
  await stream.until(1)
  expect(dataOf(stream.events)).toEqual([])
  const bob = { ...session, ...lastEventId, authorization: 'Bearer bob' }
  expect((await fetch(url, { headers: bob })).status).toBe(404)
})

test('a client that leaves before there was a stream does not cancel the call either', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const controller = new AbortController()
  const lost = fetch(url, {
    method: 'POST',
    headers: session,
    body: JSON.stringify(callTool(3, 'hold')),
    signal: controller.signal,
  }).catch(() => {})
  const [relay] = fixture.one.relays
  await until(() => relay?.held.size === 1)
  controller.abort()
  await lost
  relay?.held.get('3')?.onResponse(toolResult('3', 'unheard'))
  await until(() => fixture.front.running === 0)
  expect(relay?.cancelled).toEqual([])
  expect((await post(url, callTool(4, 'echo'), session)).status).toBe(200)
})

test('what is kept for resuming is bounded, and given back with the session', async () => {
  await using fixture = await openMcpFront({ config: { replayBytesMax: 2_000 } })
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await (await openStream(url, session))[Symbol.asyncDispose]()
  await until(() => fixture.front.sessions.streams === 0)
  for (let number = 0; number < 100; number += 1) unsolicited(fixture.one.relays[0], number)
  await using stream = await openStream(url, session)
  await stream.until(10)
  const kept = dataOf(stream.events)
  expect(kept.length).toBeLessThan(30)
  expect(kept.at(-1)).toBe(99)
})

test('a session is taken up again by a process that does not know it', async () => {
  const first = await openMcpFront()
  const session = await beginSession(`${first.url}/one`, { version: '2025-06-18' })
  await first[Symbol.asyncDispose]()
  await using second = await openMcpFront()
  const url = `${second.url}/one`
  const bob = { ...session, authorization: 'Bearer bob' }
  expect((await post(url, callTool(1, 'echo'), bob)).status).toBe(404)
  expect((await post(`${second.url}/two`, callTool(1, 'echo'), session)).status).toBe(404)
  expect(second.one.relays).toHaveLength(0)
  expect((await post(url, callTool(1, 'echo'), session)).status).toBe(200)
  expect(second.one.relays).toHaveLength(1)
  expect(second.one.relays[0]?.profile).toMatchObject({
    protocolVersion: '2025-06-18',
    clientInfo: { name: 'test-client' },
  })
  expect((await fetch(url, { method: 'DELETE', headers: session })).status).toBe(204)
  expect((await post(url, callTool(1, 'echo'), session)).status).toBe(404)
})

test('events of before a restart are not taken for those after it', async () => {
  const first = await openMcpFront()
  const session = await beginSession(`${first.url}/one`)
  const stream = await openStream(`${first.url}/one`, session)
  unsolicited(first.one.relays[0], 'old')
  const events = await stream.until(2)
  const lastEventId = { 'last-event-id': events.at(-1)?.id ?? '' }
  await stream[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  await using second = await openMcpFront()
  await using resumed = await openStream(`${second.url}/one`, { ...session, ...lastEventId })
  await resumed.until(1)
  unsolicited(second.one.relays[0], 'new')
  await resumed.until(2)
  expect(dataOf(resumed.events)).toEqual(['new'])
})

test('when a server has lost what it kept, the session ends and is 404', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  await using stream = await openStream(url, session)
  const [relay] = fixture.one.relays
  relay?.lose()
  await stream.ended
  expect((await post(url, callTool(1, 'echo'), session)).status).toBe(404)
  expect(relay?.isDisposed).toBe(true)
})

test('a call that is under way when its session ends is answered', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const waiting = post(url, callTool(3, 'hold'), session)
  await until(() => fixture.one.relays[0]?.held.size === 1)
  await fetch(url, { method: 'DELETE', headers: session })
  const answer = await waiting
  expect(answer.status).toBe(404)
  expect(answer.json).toMatchObject({ id: 3 })
  expect(fixture.front.running).toBe(0)
})

test('notifications/cancelled is passed on', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const params = { requestId: 3, reason: 'enough' }
  await post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params }, session)
  expect(fixture.one.relays[0]?.notifications[0]?.bytes.toString()).toContain('enough')
})

test('a client that accepts JSON alone gets a session with initialize, and its answer as JSON', async () => {
  await using fixture = await openMcpFront()
  const headers = { ...mcpHeaders, accept: 'application/json' }
  const answer = await post(`${fixture.url}/one`, initialize(), headers)
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('mcp-session-id')).not.toBeNull()
})
