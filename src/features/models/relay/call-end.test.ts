import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { providerCredential, startGateway } from '../../../../test/support/portico.ts'
import { openRawClient } from '../../../../test/support/raw-client.ts'
import { chat, chatEvents, eventStream, json } from '../../../../test/support/upstream-answers.ts'
import {
  delayed,
  failing,
  hangUpAfter,
  quoteCredential,
  raw,
  refuseToRead,
  stall,
  stallAfter,
} from '../../../../test/support/upstream-faults.ts'
import type { Behaviour } from '../../../../test/support/upstream.ts'

const asked = { model: 'm', messages: [{ role: 'user', content: 'Say hello' }] }
const streamed = { ...asked, stream: true }
const oneAtATime = { key: { concurrentRequests: 1 } }
const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'

/** Everything that comes back for a streamed chat, up to the end of the connection. */
async function rawStream(port: number, key: string): Promise<string> {
  using client = await openRawClient(port)
  const body = JSON.stringify(streamed)
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${key}\r\n`,
    `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`,
    body,
  )
  return (await client.closed).toString()
}

const terminatingChunk = '\r\n0\r\n\r\n'

test('a stream that breaks off ends in an error event and without a terminating chunk', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(hangUpAfter(['data: {"choices":[]}\n\n', 'data: {"half']))
  const text = await rawStream(gateway.portico.port, gateway.key)
  expect(text).toContain('data: {"half')
  expect(text).toContain('\n\ndata: {"error":{')
  expect(text).toContain('"code":"stream_interrupted"')
  expect(text).not.toContain('[DONE]')
  expect(text.endsWith(terminatingChunk)).toBe(false)
})

test('a stream that ends with its connection is complete only with its closing event', async () => {
  await using gateway = await startGateway()
  const events = chatEvents(['Hello'])
  gateway.upstream.script(
    raw(`${head}connection: close\r\n\r\n`, ...events),
    raw(`${head}connection: close\r\n\r\n`, ...events.slice(0, 2)),
  )
  const whole = await rawStream(gateway.portico.port, gateway.key)
  expect(whole).toContain('[DONE]')
  expect(whole.endsWith(terminatingChunk)).toBe(true)
  const cut = await rawStream(gateway.portico.port, gateway.key)
  expect(cut).toContain('stream_interrupted')
  expect(cut.endsWith(terminatingChunk)).toBe(false)
})

test('a stream whose last event lacks its empty line passes as it came', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(eventStream(['data: {"choices":[]}\n']))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe('data: {"choices":[]}\n')
})

test('a compressed stream that breaks off is cut, for an event in it could not be read', async () => {
  await using gateway = await startGateway()
  const bytes = gzipSync(chatEvents(['Hello']).join('')).subarray(0, 40)
  gateway.upstream.script(
    raw(`${head}content-encoding: gzip\r\ncontent-length: 999\r\n\r\n`, bytes),
  )
  const text = await rawStream(gateway.portico.port, gateway.key)
  expect(text).toContain('content-encoding: gzip')
  expect(text).not.toContain('stream_interrupted')
  expect(text.endsWith(terminatingChunk)).toBe(false)
})

test.each([
  ['plain', quoteCredential()],
  ['compressed', gzippedError(`{"error":{"message":"no ${providerCredential}"}}`)],
])('S70 an error that repeats our credential is withheld, %s', async (_how, behaviour) => {
  await using gateway = await startGateway()
  gateway.upstream.script(behaviour)
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.status).toBe(502)
  expect(answer.json()).toMatchObject({
    error: { type: 'upstream_error', code: 'upstream_failed' },
  })
  expect(answer.headers['x-should-retry']).toBe('false')
  expect(answer.bytes.includes(providerCredential)).toBe(false)
  expect(gateway.portico.logged).not.toContain(providerCredential)
})

test('any other error passes as it came', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(failing(422, { 'x-detail': 'kept' }))
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.status).toBe(422)
  expect(answer.headers['x-detail']).toBe('kept')
  expect(answer.headers['content-length']).toBe(String(answer.bytes.length))
  expect(answer.json()).toMatchObject({ error: { type: 'upstream_own_type' } })
})

test.each([
  ['is waiting for the head', [stall()]],
  ['is sending to an upstream that does not read', [refuseToRead()]],
  ['is waiting for the first event', [stallAfter([': hello\n\n'])]],
  ['reads', [stallAfter(chatEvents(['Hello']).slice(0, 2))]],
  ['is waiting for the second attempt', [failing(500), stall()]],
])('a client that leaves while it %s frees its place at once', async (_what, behaviours) => {
  await using gateway = await startGateway(oneAtATime)
  await gateway.portico.addProvider(gateway.upstream, { name: 'second', priority: 1 })
  gateway.upstream.script(...(behaviours as [Behaviour]))
  const leaving = new AbortController()
  const call = gateway.post('chat/completions', streamed, { signal: leaving.signal })
  const last = await gateway.upstream.arrival(behaviours.length)
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  await last.abandoned
  gateway.upstream.script(chat())
  expect((await gateway.post('chat/completions', asked)).status).toBe(200)
})

test('a client that leaves while it sends its request frees what it has', async () => {
  await using gateway = await startGateway(oneAtATime)
  using client = await openRawClient(gateway.portico.port)
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${gateway.key}\r\n`,
    'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"model":"m"',
  )
  client.socket.destroy()
  await client.closed
  expect((await gateway.post('chat/completions', asked)).status).toBe(200)
})

test('a route of the other family that cannot be translated takes no place', async () => {
  await using gateway = await startGateway(oneAtATime)
  for (let call = 0; call < 2; call += 1) {
    const answer = await gateway.post('messages/batches', { requests: [] })
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({ type: 'error' })
  }
  expect((await gateway.post('chat/completions', asked)).status).toBe(200)
})

test('an answer that comes before the request was sent is passed on, and ends the connection', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(({ res }) => {
    res.writeHead(413, { 'content-type': 'application/json' }).end('{"error":{}}')
  })
  using client = await openRawClient(gateway.portico.port)
  client.send(
    `POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${gateway.key}\r\n`,
    'content-type: application/octet-stream\r\ncontent-length: 1000000\r\n\r\nbeginning',
  )
  const text = (await client.closed).toString()
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
  expect(text.toLowerCase()).toContain('connection: close')
})

test('an answer without a body passes without one', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(async ({ receive, res }) => {
    await receive()
    res.writeHead(204, { 'x-detail': 'kept' }).end()
  })
  const answer = await gateway.portico.send('DELETE', '/v1/files/file-1', { key: gateway.key })
  expect(answer.status).toBe(204)
  expect(answer.headers['x-detail']).toBe('kept')
  expect(answer.bytes).toHaveLength(0)
})

test('an answer that is no stream passes although one was asked for, and the other way round', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(json(200, { choices: [] }), eventStream(chatEvents(['Hello'])))
  const whole = await gateway.post('chat/completions', streamed)
  expect(whole.headers['content-type']).toBe('application/json')
  expect(whole.text).toBe('{"choices":[]}')
  const stream = await gateway.post('chat/completions', asked)
  expect(stream.headers['content-type']).toContain('text/event-stream')
  expect(stream.text).toBe(chatEvents(['Hello']).join(''))
})

test('silence of the upstream is bridged with comments between events, and only there', async () => {
  await using gateway = await startGateway({ settings: { 'models.keepAliveCommentMs': 1 } })
  const events = chatEvents(['Hello'])
  gateway.upstream.script(async (call) => {
    await call.receive()
    call.res.writeHead(200, { 'content-type': 'text/event-stream' })
    // The boundary comes in a chunk of its own.
    call.res.write(events[0]?.slice(0, -1))
    await delayed(50, ({ res }) => void res.write('\n'))(call)
  })
  using client = await openRawClient(gateway.portico.port)
  const body = JSON.stringify(streamed)
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${gateway.key}\r\n`,
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const received = await client.until(': keep-alive')
  expect(received.indexOf(': keep-alive')).toBeGreaterThan(received.indexOf('data: {'))
})

function gzippedError(body: string): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    res.writeHead(401, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    res.end(gzipSync(body))
  }
}
