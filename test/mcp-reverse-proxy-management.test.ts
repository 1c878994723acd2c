import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { openStream } from './support/mcp-client.ts'
import { callSeed, startReverseProxy } from './support/reverse-proxy.ts'
import type { ReverseProxy } from './support/reverse-proxy.ts'

type Row = Record<string, unknown>

let proxy: ReverseProxy
let id: string

beforeAll(async () => {
  proxy = await startReverseProxy()
  id = await proxy.create({ autoStart: true, environment: { GREETING: 'hello' } })
})

afterAll(() => proxy[Symbol.asyncDispose]())

async function statusOf(service: string): Promise<unknown> {
  return (await proxy.manage('GET', `/services/${service}`)).json()['status']
}

async function untilStatus(service: string, status: string): Promise<void> {
  await vi.waitFor(async () => expect(await statusOf(service)).toBe(status), 8_000)
}

test('the management wants a key, in its own words', async () => {
  const ask = (headers: Record<string, string>, query = '') =>
    proxy.portico.send('GET', `/api/services${query}`, { headers })
  const wrong = await ask({ 'x-api-key': 'wrong' })
  expect([wrong.status, wrong.text]).toEqual([401, 'Invalid API key'])
  const { id: keyId, key } = await proxy.portico.createKey({ scopes: ['manage'] })
  expect((await ask({ 'x-api-key': key })).status).toBe(200)
  await proxy.portico.api('PATCH', `/api/keys/${keyId}`, { enabled: false })
  const disabled = await ask({ 'x-api-key': key })
  expect([disabled.status, disabled.text]).toEqual([401, 'API key is inactive'])
})

test('a service is created with the defaults of the contract and shown as its row', async () => {
  await untilStatus(id, 'running')
  const row = (await proxy.manage('GET', `/services/${id}`)).json()
  expect(row).toMatchObject({
    id,
    name: 'Seed Tool',
    repositoryUrl: null,
    repositoryBranch: 'main',
    repositoryPath: proxy.folder,
    entryPoint: 'server.mjs',
    proxyPath: '/mcp/seed',
    rateLimit: 100,
    cacheTTL: 300,
    timeout: 30_000,
    autoRestart: true,
    maxRestarts: 5,
    maxMemory: '512MB',
    healthCheckInterval: 30,
    lastError: null,
    metrics: { status: 'running', restartCount: 0 },
  })
  expect(row['environment']).toEqual({ GREETING: '[secret]' })
  const rows = (await proxy.manage('GET', '/services')).json<Row[]>()
  expect(rows.map((each) => each['id'])).toContain(id)
})

test('the program runs in its folder with its environment and real figures', async () => {
  const said = await proxy.post(`/${id}`, callSeed(1, 'env', { name: 'GREETING' }))
  expect(said.text).toContain('"text":"hello"')
  const secrets = await proxy.post(`/${id}`, callSeed(2, 'env', { name: 'PORTICO_ADMIN_KEY' }))
  expect(secrets.text).toContain('"text":"undefined"')
  await vi.waitFor(async () => {
    const { metrics } = (await proxy.manage('GET', `/services/${id}`)).json<{ metrics: Row }>()
    expect(metrics['memoryUsage']).toBeGreaterThan(10_000_000)
    expect(metrics['uptime']).toBeGreaterThan(0)
    expect(process.kill(Number(metrics['pid']), 0)).toBe(true)
  }, 8_000)
})

test('a service that is not started by itself is started, restarted, stopped and deleted', async () => {
  const own = await proxy.create({ name: 'Manual', proxy: { path: '/mcp/manual' } })
  expect(await statusOf(own)).toBe('stopped')
  const run = async (verb: string) => {
    const answer = await proxy.manage('POST', `/services/${own}/${verb}`)
    return [answer.status, answer.json()]
  }
  expect(await run('start')).toEqual([200, { message: 'Service started successfully' }])
  await untilStatus(own, 'running')
  const pid = async () =>
    (await proxy.manage('GET', `/services/${own}`)).json<{ metrics: Row }>().metrics['pid']
  const before = await pid()
  expect(await run('restart')).toEqual([200, { message: 'Service restarted successfully' }])
  await untilStatus(own, 'running')
  expect(await pid()).not.toBe(before)
  expect(await run('stop')).toEqual([200, { message: 'Service stopped successfully' }])
  expect(await statusOf(own)).toBe('stopped')
  const stopped = (await proxy.manage('GET', `/services/${own}`)).json()
  expect(stopped['metrics']).toBeNull()
  const deleted = await proxy.manage('DELETE', `/services/${own}`)
  expect([deleted.status, deleted.json()]).toEqual([
    200,
    { message: 'Service deleted successfully' },
  ])
  expect((await proxy.manage('GET', `/services/${own}`)).text).toBe('Service not found')
})

test('a change is applied to the running program', async () => {
  const own = await proxy.create({ name: 'Changed', proxy: { path: '/mcp/changed' } })
  await proxy.manage('POST', `/services/${own}/start`)
  const changed = await proxy.manage('PUT', `/services/${own}`, {
    name: 'Changed Tool',
    environment: { GREETING: 'good day' },
    proxy: { path: '/mcp/changed-path', rateLimit: 7 },
  })
  expect([changed.status, changed.json()]).toEqual([
    200,
    { message: 'Service updated successfully' },
  ])
  const said = await proxy.post('/changed-path', callSeed(1, 'env', { name: 'GREETING' }))
  expect(said.text).toContain('good day')
  expect(said.headers['x-ratelimit-limit']).toBe('7')
  expect((await proxy.post('/changed', callSeed(1, 'echo'))).status).toBe(404)
})

test('what is wrong is said in plain text', async () => {
  const body = { name: 'x', repository: { entryPoint: 'server.mjs' }, proxy: { path: '/mcp/seed' } }
  for (const [method, route, sent, status, text] of [
    ['GET', '/services/nothing', undefined, 404, 'Service not found'],
    ['PUT', '/services/nothing', { name: 'x' }, 404, 'Service not found'],
    ['DELETE', '/services/nothing', undefined, 404, 'Service not found'],
    ['POST', '/services/nothing/start', undefined, 404, 'Service not found'],
    ['POST', '/services/nothing/stop', undefined, 404, 'Service not found'],
    ['POST', '/services/nothing/restart', undefined, 404, 'Service not found'],
    ['POST', '/services', { name: 'x', proxy: {} }, 400, 'Validation error'],
    ['PUT', `/services/${id}`, { proxy: { rateLimit: 'many' } }, 400, 'Validation error'],
    ['POST', '/services', body, 409, 'Proxy path already in use'],
  ] as const) {
    const answer = await proxy.manage(method, route, sent)
    expect([method, route, answer.status, answer.text]).toEqual([method, route, status, text])
    expect(answer.headers['content-type']).toMatch(/^text\/plain/)
  }
})

test('a program that does not start is said to have crashed, and why', async () => {
  await writeFile(path.join(proxy.folder, 'broken.mjs'), "throw new Error('no token given')")
  const broken = await proxy.create({
    name: 'Broken',
    repository: { path: proxy.folder, entryPoint: 'broken.mjs' },
    proxy: { path: '/mcp/broken' },
    process: { maxRestarts: 0 },
  })
  const started = await proxy.manage('POST', `/services/${broken}/start`)
  expect([started.status, started.text]).toEqual([500, 'Failed to start service'])
  await untilStatus(broken, 'crashed')
  const row = (await proxy.manage('GET', `/services/${broken}`)).json()
  expect(row['lastError']).toContain('exit code 1')
  const health = (await proxy.manage('GET', `/services/${broken}/health`)).json()
  expect(health['stderr']).toContain('Error: no token given')
})

test('logs are rows, the newest as many as asked for, in the order in which they came', async () => {
  await proxy.post(`/${id}`, callSeed(1, 'stderr'))
  await vi.waitFor(async () => {
    const rows = (await proxy.manage('GET', `/services/${id}/logs?limit=100`)).json<Row[]>()
    const messages = rows.map(({ message }) => message)
    expect(messages).toContain('plain line on stdout')
    expect(messages.indexOf('server is up')).toBeGreaterThanOrEqual(0)
    expect(messages.lastIndexOf('something on stderr')).toBeGreaterThan(
      messages.indexOf('server is up'),
    )
  }, 8_000)
  const [row, ...others] = (await proxy.manage('GET', `/services/${id}/logs?limit=1`)).json<Row[]>()
  expect(others).toEqual([])
  expect(row).toMatchObject({
    serviceId: id,
    message: 'something on stderr',
    metadata: { stream: 'stderr' },
  })
  expect(new Date(String(row?.['timestamp'])).getTime()).toBeGreaterThan(Date.now() - 60_000)
})

test('logs are followed as server-sent events', async () => {
  const url = `${proxy.portico.url}/api/services/${id}/logs/stream`
  await using stream = await openStream(url, { 'x-api-key': proxy.portico.adminKey })
  await proxy.post(`/${id}`, callSeed(1, 'stderr'))
  const [event] = await stream.until(1)
  expect(JSON.parse(event?.data ?? '')).toMatchObject({
    type: 'error',
    message: 'something on stderr',
    timestamp: expect.any(String) as string,
  })
})

test('logs are followed over a WebSocket, and one of no service closes with 1008', async () => {
  const open = (service: string) => {
    const url = proxy.portico.url.replace('http', 'ws')
    const headers = { 'x-api-key': proxy.portico.adminKey }
    return new WebSocket(`${url}/api/services/${service}/logs/stream`, { headers })
  }
  const socket = open(id)
  await once(socket, 'open')
  const frames: string[] = []
  socket.on('message', (data: Buffer) => frames.push(data.toString()))
  await vi.waitUntil(async () => {
    await proxy.post(`/${id}`, callSeed(1, 'stderr'))
    return frames.length > 0
  }, 8_000)
  expect(JSON.parse(frames[0] ?? '')).toEqual({
    type: 'error',
    timestamp: expect.any(String) as string,
    message: 'something on stderr',
  })
  socket.close()
  const unknown = open('nothing')
  const [code, reason] = (await once(unknown, 'close')) as [number, Buffer]
  expect([code, reason.toString()]).toEqual([1008, 'Service not found'])
})

test('S04 the health of Portico tells strangers nothing of its services', async () => {
  const answer = await proxy.portico.send('GET', '/health')
  expect(answer.json()).toMatchObject({
    status: 'healthy',
    services: { total: 0, running: 0, stopped: 0 },
    timestamp: expect.any(String) as string,
  })
})
