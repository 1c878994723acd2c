import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import { callTool, post, until } from '../../../../test/support/mcp-client.ts'
import { createTestCaller } from '../../../../test/support/mcp-endpoint.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import { AppError } from '../../../lib/errors.ts'

const headers = { 'x-api-key': 'alice', 'content-type': 'application/json' }
const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' }

test('a POST of plain JSON-RPC is answered with JSON, whatever follows the name in the path', async () => {
  await using fixture = await openMcpFront()
  for (const path of ['one', 'one/', 'svc_one', 'one/any/thing']) {
    for (const accept of ['*/*', 'application/json', 'application/json, text/plain, */*']) {
      const answer = await post(`${fixture.url}/${path}`, ping, { ...headers, accept })
      expect(answer.status).toBe(200)
      expect(answer.json).toEqual({ jsonrpc: '2.0', id: 'p', result: {} })
      expect(answer.headers.get('mcp-session-id')).toBeNull()
    }
  }
  expect(fixture.one.relays[0]?.profile).toMatchObject({
    era: 'legacy',
    sessionId: undefined,
    capabilities: {},
  })
  expect(fixture.one.alive).toHaveLength(0)
})

test('progress has nowhere to go, a question is answered for the client', async () => {
  await using fixture = await openMcpFront()
  const progress = await post(`${fixture.url}/one`, callTool(1, 'progress'), headers)
  expect(progress.json).toMatchObject({ id: 1, result: {} })
  const asked = await post(`${fixture.url}/one`, callTool(2, 'ask'), headers)
  expect(asked.text).toContain('-32601')
})

test('an array is answered with an array, in its order', async () => {
  await using fixture = await openMcpFront()
  const batch = [callTool(1, 'progress'), ping, { jsonrpc: '2.0', method: 'n' }, 7]
  const answer = await post(`${fixture.url}/one`, batch, headers)
  expect(answer.status).toBe(200)
  expect(answer.json).toMatchObject([{ id: 1 }, { id: 'p' }, { id: null, error: {} }])
  expect(fixture.one.alive).toHaveLength(0)
  expect((await post(`${fixture.url}/one`, [], headers)).status).toBe(400)
  const many = Array.from({ length: 101 }, () => ping)
  expect((await post(`${fixture.url}/one`, many, headers)).status).toBe(400)
})

test('a notification is 202 at once', async () => {
  await using fixture = await openMcpFront()
  const answer = await post(`${fixture.url}/one`, { jsonrpc: '2.0', method: 'n' }, headers)
  expect([answer.status, answer.text]).toEqual([202, ''])
})

test('what cannot be read is 400 with an id of null', async () => {
  await using fixture = await openMcpFront()
  const parse = await post(`${fixture.url}/one`, '{', headers)
  expect([parse.status, parse.json]).toEqual([
    400,
    { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } },
  ])
  const invalid = await post(`${fixture.url}/one`, { method: 'ping' }, headers)
  expect([invalid.status, invalid.json]).toEqual([
    400,
    { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request' } },
  ])
})

test('a service that is not there is 404 in text, one that does not run 503', async () => {
  await using fixture = await openMcpFront()
  const missing = await post(`${fixture.url}/nothing`, ping, headers)
  expect([missing.status, missing.text]).toEqual([404, 'Service nothing not found'])
  expect(missing.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  fixture.one.failure = new AppError('service_failed', 'It crashed.')
  const stopped = await post(`${fixture.url}/one`, ping, headers)
  expect([stopped.status, stopped.text]).toEqual([503, 'Service one is not running'])
})

test('other failures are 500 with the id of the request, refusals keep their status and headers', async () => {
  await using fixture = await openMcpFront()
  fixture.one.failure = new AppError('upstream_timeout', 'Request timeout for MCP one')
  const late = await post(`${fixture.url}/one`, ping, headers)
  expect(late.status).toBe(500)
  expect(late.json).toMatchObject({
    id: 'p',
    error: { code: -32603, message: 'Request timeout for MCP one' },
  })
  const details = { headers: { 'x-ratelimit-reset': '1' }, retryAfterMs: 3_000 }
  fixture.one.failure = new AppError('rate_limit_exceeded', 'Too many.', details)
  const refused = await post(`${fixture.url}/one`, ping, headers)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('x-ratelimit-reset')).toBe('1')
  expect(refused.headers.get('retry-after')).toBe('3')
})

test('a client that goes away gives its call up, for it can never get the answer', async () => {
  await using fixture = await openMcpFront()
  const controller = new AbortController()
  const { signal } = controller
  const body = JSON.stringify(callTool(3, 'hold'))
  const lost = fetch(`${fixture.url}/one`, { method: 'POST', headers, body, signal }).catch(
    () => {},
  )
  await until(() => fixture.one.relays[0]?.held.size === 1)
  controller.abort()
  await lost
  await until(() => fixture.one.alive.length === 0)
  expect(fixture.one.relays[0]?.cancelled).toEqual(['3'])
})

test('without a key a program is let in only where that is configured', async () => {
  const anonymous = createTestCaller('anonymous')
  await using open = await openMcpFront({ anonymous })
  const { 'x-api-key': _, ...keyless } = headers
  expect((await post(`${open.url}/one`, ping, keyless)).status).toBe(200)
  const wrong = await post(`${open.url}/one`, ping, { ...headers, 'x-api-key': 'wrong' })
  expect(wrong.status).toBe(401)
  await using closed = await openMcpFront()
  expect((await post(`${closed.url}/one`, ping, keyless)).status).toBe(401)
})

test('a body that stands still is given up, and one that breaks off hurts nobody', async () => {
  await using fixture = await openMcpFront({ config: { bodyTimeoutMs: 100 } })
  const options = { method: 'POST', headers: { ...headers, 'content-length': '100' } }
  const stalled = httpRequest(`${fixture.url}/one`, options)
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  stalled.once('response', ({ statusCode }) => resolve(statusCode))
  stalled.on('error', () => {})
  stalled.write('{')
  expect(await promise).toBe(408)
  stalled.destroy()
  expect((await post(`${fixture.url}/one`, ping, headers)).status).toBe(200)
})
