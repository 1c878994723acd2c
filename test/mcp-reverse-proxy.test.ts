import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Answer } from './support/portico.ts'
import { callSeed, startReverseProxy } from './support/reverse-proxy.ts'
import type { ReverseProxy } from './support/reverse-proxy.ts'

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
let proxy: ReverseProxy
let id: string

beforeAll(async () => {
  proxy = await startReverseProxy()
  id = await proxy.create({ autoStart: true })
})

afterAll(() => proxy[Symbol.asyncDispose]())

test('ids are what mcp- and epoch ms and nine characters make', () => {
  expect(id).toMatch(/^mcp-\d{13}-[a-z0-9]{9}$/)
})

test('a POST is answered at the id, at the path, at the name and whatever follows', async () => {
  for (const route of [`/${id}`, `/${id}/`, `/${id}/any/thing`, '/seed', '/seed/x', '/Seed-Tool']) {
    const answer = await proxy.post(route, callSeed(5, 'echo', { a: 1 }))
    expect([route, answer.status]).toEqual([route, 200])
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.json()).toEqual({
      jsonrpc: '2.0',
      id: 5,
      result: { content: [{ type: 'text', text: '{"a":1}' }] },
    })
  }
})

test('every caller gets its own id back, in its own type, though many use the same', async () => {
  const ids = [0, 1, 1, '1', 'x', -3, 9_007_199_254_740_991]
  const answers = await Promise.all(
    ids.map((own, n) => proxy.post(`/${id}`, callSeed(own, 'echo', { n }))),
  )
  for (const [n, answer] of answers.entries()) {
    expect(answer.json()).toMatchObject({
      id: ids[n],
      result: { content: [{ text: JSON.stringify({ n }) }] },
    })
  }
})

test('an error of the server comes with HTTP 200 and the id of the caller', async () => {
  const answer = await proxy.post(`/${id}`, { jsonrpc: '2.0', id: 'e', method: 'no/such' })
  expect([answer.status, answer.json()]).toEqual([
    200,
    { jsonrpc: '2.0', id: 'e', error: expect.objectContaining({ code: -32_601 }) as object },
  ])
})

test('a notification is accepted at once with nothing', async () => {
  const answer = await proxy.post(`/${id}`, { jsonrpc: '2.0', method: 'notifications/whatever' })
  expect([answer.status, answer.text]).toEqual([202, ''])
})

test('a repeated initialize is answered, for every caller', async () => {
  for (const own of [1, 2]) {
    const clientInfo = { name: 'c', version: '1' }
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
    const body = { jsonrpc: '2.0', id: own, method: 'initialize', params }
    const answer = await proxy.post(`/${id}`, body)
    expect(answer.json()).toMatchObject({ id: own, result: { serverInfo: { name: 'seed' } } })
  }
})

test('a batch is answered as one array without its notifications', async () => {
  const notification = { jsonrpc: '2.0', method: 'notifications/whatever' }
  const batch = [callSeed('a', 'echo', { a: 1 }), notification, { ...list, id: 'b' }]
  const answers = (await proxy.post(`/${id}`, batch)).json<{ id: string }[]>()
  expect(answers.map((answer) => answer.id).toSorted()).toEqual(['a', 'b'])
  const nothing = await proxy.post(`/${id}`, [notification])
  expect([nothing.status, nothing.text]).toEqual([202, ''])
})

test('what is not JSON, and what is not JSON-RPC, is refused with 400', async () => {
  const broken = await proxy.post(`/${id}`, '{"jsonrpc":')
  expect([broken.status, broken.json()]).toEqual([
    400,
    { jsonrpc: '2.0', id: null, error: expect.objectContaining({ code: -32_700 }) as object },
  ])
  for (const body of [{ hello: 1 }, { jsonrpc: '1.0', id: 1, method: 'x' }, [], '7']) {
    const answer = await proxy.post(`/${id}`, body)
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({ jsonrpc: '2.0', error: { code: -32_600 } })
  }
})

test('an unknown service is not found, in plain text', async () => {
  const answer = await proxy.post('/mcp-1700000000000-abcdefghi', list)
  expect([answer.status, answer.text]).toEqual([
    404,
    'Service mcp-1700000000000-abcdefghi not found',
  ])
  expect(answer.headers['content-type']).toMatch(/^text\/plain/)
  const health = await proxy.portico.send('GET', '/mcp/mcp-1700000000000-abcdefghi/health')
  expect([health.status, health.json()]).toEqual([404, { status: 'not_found' }])
})

test('a service that was stopped is not running, in plain text, until it is started', async () => {
  await proxy.manage('POST', `/services/${id}/stop`)
  for (const name of [id, 'seed']) {
    const answer = await proxy.post(`/${name}`, list)
    expect([answer.status, answer.headers['content-type']]).toEqual([
      503,
      'text/plain; charset=utf-8',
    ])
    expect(answer.text).toBe(`Service ${name} is not running`)
  }
  await proxy.manage('POST', `/services/${id}/start`)
  expect((await proxy.post(`/${id}`, list)).status).toBe(200)
})

test('a call that takes longer than the timeout of the service fails with 500', async () => {
  const slow = await proxy.create({ name: 'Slow', proxy: { path: '/mcp/slow', timeout: 300 } })
  await proxy.manage('POST', `/services/${slow}/start`)
  const answer = await proxy.post(`/${slow}`, callSeed(9, 'hang'))
  expect([answer.status, answer.json()]).toEqual([
    500,
    {
      jsonrpc: '2.0',
      id: 9,
      error: expect.objectContaining({
        code: -32_603,
        message: `Request timeout for MCP ${slow}`,
      }) as object,
    },
  ])
})

test('calls of a server that exits fail at once, and it is started again', async () => {
  const exiting = await proxy.create({ name: 'Exiting', proxy: { path: '/mcp/exiting' } })
  await proxy.manage('POST', `/services/${exiting}/start`)
  const held = proxy.post(`/${exiting}`, callSeed('held', 'hang'))
  await vi.waitFor(async () => {
    const metrics = await proxy.manage('GET', `/services/${exiting}/metrics`)
    expect(metrics.json()).toMatchObject({ callsRunning: 1 })
  }, 8_000)
  await proxy.post(`/${exiting}`, callSeed('last', 'exit'))
  expect((await held).status).toBeGreaterThanOrEqual(500)
  await vi.waitFor(async () => {
    expect((await proxy.post(`/${exiting}`, callSeed('again', 'echo'))).status).toBe(200)
  }, 8_000)
})

test('the health of a service is its state and the figures of its process', async () => {
  const answer = await proxy.portico.send('GET', `/mcp/${id}/health`)
  const { status, metrics, lastError } = answer.json()
  expect([answer.status, status, lastError]).toEqual([200, 'running', null])
  expect(metrics).toMatchObject({
    pid: expect.any(Number) as number,
    status: 'running',
    restartCount: 0,
    memoryUsage: expect.any(Number) as number,
    cpuUsage: expect.any(Number) as number,
    uptime: expect.any(Number) as number,
  })
})

test('lists are cached, others are not, and a change of the list empties the cache', async () => {
  const cached = await proxy.create({ name: 'Cached', proxy: { path: '/mcp/cached' } })
  await proxy.manage('POST', `/services/${cached}/start`)
  const ask = async (body: object) => {
    const answer = await proxy.post(`/${cached}`, body)
    return [answer.headers['x-cache'], answer.json()['id']]
  }
  await ask({ ...list, id: 'one' })
  expect(await ask({ ...list, id: 2 })).toEqual(['HIT', 2])
  expect(await ask(callSeed(3, 'echo'))).toEqual([undefined, 3])
  expect(await ask(callSeed(4, 'echo'))).toEqual([undefined, 4])
  const before = (await proxy.post(`/${cached}`, list)).text
  await ask(callSeed(6, 'change'))
  await vi.waitFor(async () => {
    expect((await proxy.post(`/${cached}`, list)).text).not.toBe(before)
  }, 8_000)
})

test('beyond the rate limit there is 429 with nothing in it, and the headers say when to come again', async () => {
  const limited = await proxy.create({
    name: 'Limited',
    proxy: { path: '/mcp/limited', rateLimit: 3 },
  })
  await proxy.manage('POST', `/services/${limited}/start`)
  const before = Date.now()
  const answers: Answer[] = []
  for (const own of [1, 2, 3, 4])
    answers.push(await proxy.post(`/${limited}`, { ...list, id: own }))
  expect(answers.map(({ status, headers }) => [status, headers['x-ratelimit-remaining']])).toEqual([
    [200, '2'],
    [200, '1'],
    [200, '0'],
    [429, '0'],
  ])
  const last = answers[3]
  const headers = last?.headers ?? {}
  expect(last?.text).toBe('')
  expect(headers['x-ratelimit-limit']).toBe('3')
  const resetAt = Number(headers['x-ratelimit-reset'])
  expect(resetAt).toBeGreaterThan(before)
  expect(resetAt).toBeLessThanOrEqual(Date.now() + 60_000)
  expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(
    Math.floor((resetAt - Date.now()) / 1000),
  )
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60)
})
