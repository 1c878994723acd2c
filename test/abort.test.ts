import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import type { RawClient } from './support/raw-client.ts'
import { chat, chatEvents, eventStream, json } from './support/upstream-answers.ts'
import {
  delayed,
  failing,
  flooding,
  refuseToRead,
  stall,
  stallAfter,
} from './support/upstream-faults.ts'
import type { Behaviour, RecordedRequest } from './support/upstream.ts'

/** Far below the second between two looks at the running calls, so that only a direct way from one end to the other meets it. */
const deadlineMs = 400

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({ key: { concurrentRequests: 1 } })
})

afterAll(() => gateway[Symbol.asyncDispose]())

const asked = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }

function begin(client: RawClient, path: string, body: object): void {
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  client.send(formatRequest(`POST /v1/${path}`, headers, JSON.stringify(body)))
}

/** Expects that the upstream is rid of the request, that the place of the key is free again, and that the call is over. */
async function expectGone(received: RecordedRequest, leftAt: number): Promise<void> {
  expect((await received.abandoned) - leftAt).toBeLessThan(deadlineMs)
  gateway.upstream.script(chat())
  expect((await gateway.post('chat/completions', asked)).status).toBe(200)
}

const phases: [string, Behaviour, string, boolean][] = [
  ['before the upstream reads', refuseToRead(), '', true],
  ['before the head', stall(), '', true],
  ['before the first event', stallAfter([]), '\r\n\r\n', true],
  ['behind a comment', stallAfter([': wait\n\n']), '\r\n\r\n', true],
  ['within a stream', stallAfter(chatEvents(['He']).slice(0, 2)), 'He', true],
  ['within an event', stallAfter(['data: {"half']), '\r\n\r\n', true],
  ['within a flood that it does not read', flooding(500_000_000), 'data: xxx', true],
  ['before a whole answer', stall(), '', false],
  ['within a whole answer', beginAndStall, '{"half', false],
  ['within an error', beginErrorAndStall, '', false],
]

const routes = [
  'chat/completions',
  'completions',
  'responses',
  'embeddings',
  'messages',
  'audio/speech',
  'a/route/nobody/knows',
]

describe.each(routes)('a client of %s that leaves', (path) => {
  test.each(phases)('%s takes the upstream along', async (_when, behaviour, mark, stream) => {
    // A message is translated to a chat here, so that nothing of these events reaches the client.
    const seen = path === 'messages' ? '' : mark
    const ordinal = gateway.upstream.requests.length + 1
    gateway.upstream.script(behaviour)
    using client = await openRawClient(gateway.portico.port)
    begin(client, path, { ...asked, stream, max_tokens: 10 })
    const received = await gateway.upstream.arrival(ordinal)
    await client.until(seen)
    const leftAt = performance.now()
    client.socket.destroy()
    await expectGone(received, leftAt)
  })
})

test('a client that is reset rather than closed takes the upstream along as well', async () => {
  const ordinal = gateway.upstream.requests.length + 1
  gateway.upstream.script(stallAfter(chatEvents(['He']).slice(0, 2)))
  using client = await openRawClient(gateway.portico.port)
  begin(client, 'chat/completions', { ...asked, stream: true })
  const received = await gateway.upstream.arrival(ordinal)
  await client.until('He')
  const leftAt = performance.now()
  client.socket.resetAndDestroy()
  await expectGone(received, leftAt)
})

test('a client that leaves between two attempts is not served a third', async () => {
  await using pair = await startGateway()
  await pair.portico.addProvider(pair.upstream, { name: 'second', priority: 1 })
  await pair.portico.addProvider(pair.upstream, { name: 'third', priority: 2 })
  pair.upstream.script(failing(500), stall(), chat())
  const leaving = new AbortController()
  const call = pair.post('chat/completions', asked, { signal: leaving.signal })
  const second = await pair.upstream.arrival(2)
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  await second.abandoned
  await pair.post('models/none', {})
  expect(pair.upstream.requests.filter(({ url }) => url.endsWith('completions'))).toHaveLength(2)
})

test('a client that leaves while it uploads takes the upload along', async () => {
  const ordinal = gateway.upstream.requests.length + 1
  gateway.upstream.script(async ({ receive }) => void (await receive()))
  const client = request(`${gateway.portico.url}/v1/files`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.key}`,
      'content-type': 'application/octet-stream',
    },
  })
  client.on('error', () => {})
  client.write('the beginning of a file')
  const received = await gateway.upstream.arrival(ordinal)
  await vi.waitUntil(() => received.body.includes('beginning'))
  const leftAt = performance.now()
  client.destroy()
  await expectGone(received, leftAt)
})

test.each([
  ['a whole answer', delayed(50, chat()), false, 'Hello there!'],
  ['a stream', delayed(50, eventStream(chatEvents(['Hi']))), true, '[DONE]'],
])(
  'a client that has closed its own half only still gets %s',
  async (_what, later, stream, end) => {
    gateway.upstream.script(later)
    using client = await openRawClient(gateway.portico.port)
    begin(client, 'chat/completions', { ...asked, stream })
    client.socket.end()
    const text = (await client.closed).toString()
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).toContain(end)
  },
)

test('a call that was left is recorded as left by the client', async () => {
  await using own = await startGateway()
  own.upstream.script(stallAfter(chatEvents(['He']).slice(0, 2)))
  const leaving = new AbortController()
  const call = own.post('chat/completions', { ...asked, stream: true }, { signal: leaving.signal })
  await own.upstream.arrival(1)
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  await vi.waitFor(async () => {
    const { requests } = await own.portico.api<{ requests: object[] }>('GET', '/api/usage/requests')
    expect(requests).toMatchObject([{ abortedBy: 'client' }])
  })
})

async function beginAndStall({ receive, res }: Parameters<Behaviour>[0]): Promise<void> {
  await receive()
  res.writeHead(200, { 'content-type': 'application/json' }).write('{"half')
}

async function beginErrorAndStall({ receive, res }: Parameters<Behaviour>[0]): Promise<void> {
  await receive()
  res.writeHead(400, { 'content-type': 'application/json' }).write('{"half')
}
