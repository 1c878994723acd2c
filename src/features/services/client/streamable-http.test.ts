import { expect, test } from 'vitest'
import {
  beginSession,
  callTool,
  initialize,
  mcpHeaders,
  post,
  readAnswer,
} from '../../../../test/support/mcp-client.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import { AppError } from '../../../lib/errors.ts'

const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
const ping = { jsonrpc: '2.0', id: 5, method: 'ping' }

async function send(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Awaited<ReturnType<typeof readAnswer>>> {
  return readAnswer(await fetch(url, { method, headers }))
}

test('S39 a page of a foreign origin is refused with 403, a program without one is not', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const foreign = { ...mcpHeaders, origin: 'https://evil.example' }
  const refused = await post(url, initialize(), foreign)
  expect(refused.status).toBe(403)
  expect(refused.json).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32602 } })
  expect((await send(url, 'GET', foreign)).status).toBe(403)
  expect((await send(`${url}/sse`, 'GET', foreign)).status).toBe(403)
  const known = await post(url, initialize(), { ...mcpHeaders, origin: 'https://app.example' })
  expect(known.status).toBe(200)
  expect((await post(url, initialize())).status).toBe(200)
})

test('without a valid key the answer is 401, says how to authenticate, and is a JSON-RPC error', async () => {
  await using fixture = await openMcpFront()
  const { authorization: _, ...headers } = mcpHeaders
  const answer = await post(`${fixture.url}/one`, initialize(), headers)
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  expect(answer.json).toMatchObject({ id: null, error: { data: { code: 'invalid_api_key' } } })
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
})

test('S12 two different keys in one request are refused with 400', async () => {
  await using fixture = await openMcpFront()
  const headers = { ...mcpHeaders, 'x-api-key': 'bob' }
  const answer = await post(`${fixture.url}/one`, initialize(), headers)
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ error: { data: { code: 'ambiguous_credentials' } } })
})

test('initialize gives a session whose id is visible ASCII and short enough for a header', async () => {
  await using fixture = await openMcpFront()
  const answer = await post(`${fixture.url}/one`, initialize('2025-06-18', { roots: {} }))
  const id = answer.headers.get('mcp-session-id') ?? ''
  expect(id).toMatch(/^[\x21-\x7e]{40,4096}$/)
  expect(answer.json).toMatchObject({ id: 0, result: { protocolVersion: '2025-06-18' } })
  expect(fixture.one.relays[0]?.profile).toMatchObject({
    era: 'legacy',
    protocolVersion: '2025-06-18',
    capabilities: { roots: {} },
    clientInfo: { name: 'test-client' },
  })
})

test('a version that nobody knows is answered with our latest of the era', async () => {
  await using fixture = await openMcpFront()
  await post(`${fixture.url}/one`, initialize('1999-01-01'))
  expect(fixture.one.relays[0]?.profile.protocolVersion).toBe('2025-11-25')
})

test('initialize must not carry a session id', async () => {
  await using fixture = await openMcpFront()
  const session = await beginSession(`${fixture.url}/one`)
  expect((await post(`${fixture.url}/one`, initialize(), session)).status).toBe(400)
})

test('an initialize that fails leaves no session behind', async () => {
  await using fixture = await openMcpFront()
  fixture.one.failure = new AppError('service_failed', 'It does not start.')
  const answer = await post(`${fixture.url}/one`, initialize())
  expect(answer.json).toMatchObject({ id: 0, error: { data: { code: 'service_failed' } } })
  expect(answer.headers.get('mcp-session-id')).toBeNull()
  expect(fixture.front.sessions.streamable).toBe(0)
  expect(fixture.one.alive).toHaveLength(0)
})

test('a POST of a session has to accept JSON and event streams', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  for (const accept of ['application/json', 'text/event-stream', '*/*', 'text/html']) {
    expect((await post(url, ping, { ...session, accept })).status).toBe(406)
  }
  const accept = 'text/event-stream;q=0.5, application/json; charset=utf-8'
  expect((await post(url, ping, { ...session, accept })).status).toBe(200)
})

test('a POST that is not JSON is refused with 415', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const headers = { ...mcpHeaders, 'content-type': 'text/plain' }
  expect((await post(url, initialize(), headers)).status).toBe(415)
})

test('an array is accepted of a client of 2025-03-26 and of no other', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const old = await beginSession(url, { version: '2025-03-26' })
  const batch = [ping, callTool('x', 'echo', { a: 1 }), initialized, { jsonrpc: '1.0' }]
  const answer = await post(url, batch, old)
  expect(answer.status).toBe(200)
  expect(answer.json).toMatchObject([
    { id: 5, result: {} },
    { id: 'x', result: {} },
    { id: null, error: { code: -32600 } },
  ])
  const { 'mcp-protocol-version': _, ...withoutVersion } = old
  expect((await post(url, [ping], withoutVersion)).status).toBe(200)
  expect((await post(url, [initialized], old)).status).toBe(202)
  expect((await post(url, [], old)).status).toBe(400)
  expect((await post(url, [initialize()], old)).status).toBe(400)
  const recent = await beginSession(url)
  const refused = await post(url, [ping], recent)
  expect(refused.status).toBe(400)
  expect(refused.json).toMatchObject({ id: null, error: { code: -32600 } })
})

test('notifications and responses are answered with 202 and nothing', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const answer = await post(url, initialized, session)
  expect([answer.status, answer.text]).toEqual([202, ''])
  const response = await post(url, { jsonrpc: '2.0', id: 99, result: {} }, session)
  expect([response.status, response.text]).toEqual([202, ''])
  expect(fixture.one.relays[0]?.notifications).toMatchObject([{ method: initialized.method }])
})

test('a request without a session is refused with 400 where the client knows sessions', async () => {
  await using fixture = await openMcpFront()
  const answer = await post(`${fixture.url}/one`, ping)
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ id: 5, error: { code: -32600 } })
})

test('S40 a session that is unknown, altered, of another key or of another endpoint is 404', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const id = session['mcp-session-id'] ?? ''
  const altered = `${id.slice(0, -2)}${id.endsWith('A') ? 'B' : 'A'}A`
  const cases: [string, Record<string, string>][] = [
    [url, { ...session, 'mcp-session-id': 'nonsense' }],
    [url, { ...session, 'mcp-session-id': altered }],
    [url, { ...session, authorization: 'Bearer bob' }],
    [`${fixture.url}/two`, session],
    [fixture.url, session],
  ]
  for (const [where, headers] of cases) {
    const answer = await post(where, ping, headers)
    expect(answer.status).toBe(404)
    expect(answer.json).toEqual({
      jsonrpc: '2.0',
      id: 5,
      error: { code: -32600, message: 'Session not found', data: { code: 'session_not_found' } },
    })
    expect((await send(where, 'GET', headers)).status).toBe(404)
    expect((await send(where, 'DELETE', headers)).status).toBe(404)
  }
  expect((await post(url, ping, session)).status).toBe(200)
  expect((await post(`${fixture.url}/svc_one`, ping, session)).status).toBe(200)
})

test('a version header that is not spoken is 400; without one the negotiated version counts', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const { 'mcp-protocol-version': _, ...withoutVersion } = session
  expect((await post(url, ping, withoutVersion)).status).toBe(200)
  for (const version of ['2023-01-01', 'latest', '2027-01-01']) {
    const answer = await post(url, ping, { ...session, 'mcp-protocol-version': version })
    expect(answer.status).toBe(400)
  }
})

test('DELETE ends the session, and every request of it is 404 afterwards', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  expect((await send(url, 'DELETE', session)).status).toBe(204)
  expect((await post(url, ping, session)).status).toBe(404)
  expect((await send(url, 'GET', session)).status).toBe(404)
  expect((await send(url, 'DELETE', session)).status).toBe(404)
  expect(fixture.one.alive).toHaveLength(0)
})

test('GET and DELETE without a session are 405 and name POST', async () => {
  await using fixture = await openMcpFront()
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const answer = await send(`${fixture.url}/one`, method, mcpHeaders)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('POST')
  }
})

test('GET of a session has to accept event streams', async () => {
  await using fixture = await openMcpFront()
  const session = await beginSession(`${fixture.url}/one`)
  const headers = { ...session, accept: 'application/json' }
  expect((await send(`${fixture.url}/one`, 'GET', headers)).status).toBe(406)
})

test('what is no JSON is -32700, what is no message is -32600, and neither has an id', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const parse = await post(url, '{"jsonrpc":', session)
  expect([parse.status, parse.json]).toMatchObject([400, { id: null, error: { code: -32700 } }])
  for (const body of [{}, { jsonrpc: '2.0', id: null, method: 'ping' }, 'null' as unknown]) {
    const answer = await post(url, body, session)
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ id: null })
  }
})

test('a body above the limit is 413', async () => {
  await using fixture = await openMcpFront({ config: { bodyBytesMax: 1_000 } })
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  const answer = await post(url, callTool(1, 'echo', { text: 'x'.repeat(2_000) }), session)
  expect(answer.status).toBe(413)
  expect(answer.json).toMatchObject({ error: { data: { code: 'request_too_large' } } })
})

test('an unknown name is the same 404 as one that the key may not know', async () => {
  await using fixture = await openMcpFront()
  const answer = await post(`${fixture.url}/nothing`, initialize())
  expect(answer.status).toBe(404)
  expect(answer.json).toMatchObject({ id: null, error: { data: { code: 'not_found' } } })
})

test('ids come back as they were written', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  for (const id of ['"1"', '1', '12345678901234567890', '"\\u00e9"']) {
    const { text } = await post(url, `{"jsonrpc":"2.0","id":${id},"method":"ping"}`, session)
    expect(text).toBe(`{"jsonrpc":"2.0","id":${id},"result":{}}`)
  }
})

test('a refusal of the relay has the headers that go with it, an answer has its own', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  fixture.one.headers = ['x-ratelimit-limit', '100']
  expect((await post(url, ping, session)).headers.get('x-ratelimit-limit')).toBe('100')
  const headers = { 'x-ratelimit-remaining': '0' }
  const details = { headers, retryAfterMs: 1_500 }
  fixture.one.failure = new AppError('rate_limit_exceeded', 'Too many.', details)
  const refused = await post(url, ping, session)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('2')
  expect(refused.headers.get('x-ratelimit-remaining')).toBe('0')
  expect(refused.json).toMatchObject({ id: 5, error: { data: { code: 'rate_limit_exceeded' } } })
})

test('a failure of the server reaches a session as a JSON-RPC error, not as a missing session', async () => {
  await using fixture = await openMcpFront()
  const url = `${fixture.url}/one`
  const session = await beginSession(url)
  for (const code of ['not_found', 'service_failed', 'upstream_timeout'] as const) {
    fixture.one.failure = new AppError(code, 'It is gone.')
    const answer = await post(url, ping, session)
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ id: 5, error: { data: { code } } })
  }
})

test('health is told of what exists, and not_found of what does not', async () => {
  await using fixture = await openMcpFront()
  const found = await send(`${fixture.url}/one/health`, 'GET', mcpHeaders)
  expect(found.json).toEqual({ status: 'running', name: 'one' })
  const missing = await send(`${fixture.url}/nothing/health`, 'GET', mcpHeaders)
  expect([missing.status, missing.json]).toEqual([404, { status: 'not_found' }])
})
