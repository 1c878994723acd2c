import { connect } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startGateway, startPortico } from './support/portico.ts'
import type { Gateway, Portico } from './support/portico.ts'
import { sendRaw } from './support/raw-http.ts'
import { chatStream } from './support/upstream-answers.ts'
import { failing } from './support/upstream-faults.ts'

const page = 'https://app.example'
const foreignOrigins = [
  'https://evil.example',
  'null',
  'https://app.example.evil.example',
  'https://evil-app.example',
  'http://app.example',
  'https://app.example:444',
]

let gateway: Gateway
let portico: Portico

beforeAll(async () => {
  gateway = await startGateway({ settings: { 'server.allowedOrigins': [page] } })
  portico = gateway.portico
})

afterAll(() => gateway[Symbol.asyncDispose]())

test('S08 by default both listeners are on loopback alone', async () => {
  await using plain = await startPortico()
  for (const url of [plain.url, plain.dashboardUrl]) {
    const { hostname, port } = new URL(url)
    expect(hostname).toBe('127.0.0.1')
    const socket = connect({ host: '127.0.0.2', port: Number(port) })
    await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED')
  }
})

test('S25 every answer of the management API and of the server itself is protected and not kept', async () => {
  const admin = { key: portico.adminKey }
  const answers = [
    await portico.send('GET', '/api/keys', admin),
    await portico.send('POST', '/api/keys', { ...admin, body: { wrong: true } }),
    await portico.send('GET', '/api/keys'),
    await portico.send('GET', '/api/keys/none', admin),
    await portico.send('DELETE', '/api/keys', admin),
    await portico.send('GET', '/metrics', admin),
    await portico.send('GET', '/api/openapi.json'),
    await portico.send('GET', '/healthz'),
    await portico.send('POST', '/healthz'),
    await portico.send('GET', '/no/such/path'),
    await portico.send('GET', '/unknown-key'),
    await portico.send('GET', '/healthz', { headers: { host: 'evil.example' } }),
    await portico.send('GET', '/some-key', { headers: { accept: 'text/html' } }),
  ]
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      ...everywhere,
      'content-security-policy': expect.stringMatching(/^default-src 'none'/),
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'x-gateway-request-id': expect.stringMatching(/^req_/),
    })
    expect(headers['x-request-id']).toBe(headers['x-gateway-request-id'])
  }
})

test('S25 pages run no script of anybody else and cannot be framed', async () => {
  for (const url of [portico.url, `${portico.url}/api/docs`, portico.dashboardUrl]) {
    const response = await fetch(url)
    expect(Object.fromEntries(response.headers)).toMatchObject(everywhere)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe-(inline|eval)/)
    await response.body?.cancel()
  }
})

test('S25 answers of the data plane are protected, whether they are ours or a provider’s', async () => {
  const body = { model: 'm', messages: [] }
  const answers = [
    await portico.send('GET', '/v1/models'),
    await portico.send('GET', '/v1/models', { key: gateway.key }),
    await gateway.post('chat/completions', body),
    await gateway.post('chat/completions', { ...body, model: 'none' }),
    await gateway.post('messages/count_tokens', { ...body, max_tokens: 1 }),
  ]
  gateway.upstream.script(chatStream(), failing(400))
  answers.push(await gateway.post('chat/completions', { ...body, stream: true }))
  answers.push(await gateway.post('chat/completions', body))
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      ...everywhere,
      'content-security-policy': expect.stringMatching(/^default-src 'none'/),
      'x-gateway-request-id': expect.stringMatching(/^req_/),
    })
  }
})

test('S26 pages of other origins may neither read the data plane nor touch the management API', async () => {
  for (const origin of foreignOrigins) {
    const read = await portico.send('GET', '/v1/models', { key: gateway.key, headers: { origin } })
    expect(read.headers['access-control-allow-origin']).toBeUndefined()
    const preflight = await portico.send('OPTIONS', '/v1/chat/completions', {
      headers: { origin, 'access-control-request-method': 'POST' },
    })
    expect([origin, preflight.status]).toEqual([origin, 403])
    const write = await portico.send('POST', '/api/workspaces', {
      key: portico.adminKey,
      headers: { origin },
      body: { name: 'from a page' },
    })
    expect([origin, write.status]).toEqual([origin, 403])
  }
  const { workspaces } = await portico.api<{ workspaces: unknown[] }>('GET', '/api/workspaces')
  expect(workspaces).toHaveLength(1)
})

test('S26 an allowed page may use the data plane, without cookies, and the management API never', async () => {
  const headers = { origin: page }
  const read = await portico.send('GET', '/v1/models', { key: gateway.key, headers })
  expect(read.headers['access-control-allow-origin']).toBe(page)
  expect(read.headers['access-control-allow-credentials']).toBeUndefined()
  expect(read.headers['vary']).toMatch(/origin/i)
  const preflight = await portico.send('OPTIONS', '/v1/chat/completions', {
    headers: {
      ...headers,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, x-stainless-os',
    },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers['access-control-allow-headers']).toContain('authorization')
  const crossSite = await portico.send('POST', '/api/workspaces', {
    key: portico.adminKey,
    headers: { 'sec-fetch-site': 'cross-site' },
    body: { name: 'cross-site' },
  })
  expect(crossSite.status).toBe(403)
})

test('S28 a WebSocket from a foreign page is refused, one from a program is taken', async () => {
  const url = `${portico.url.replace('http', 'ws')}/v1/realtime?model=m`
  const authorization = `Bearer ${gateway.key}`
  const attempt = async (headers: Record<string, string>): Promise<number> => {
    const socket = new WebSocket(url, { headers })
    const { promise, resolve } = Promise.withResolvers<number>()
    socket.on('upgrade', () => resolve(101))
    socket.on('unexpected-response', (_req, res) => resolve(res.statusCode ?? 0))
    socket.on('error', () => {})
    const status = await promise
    socket.terminate()
    return status
  }
  expect(await attempt({ authorization, origin: 'https://evil.example' })).toBe(403)
  expect(await attempt({ authorization, origin: 'null' })).toBe(403)
  expect(await attempt({})).toBe(401)
  expect(await attempt({ authorization })).toBe(101)
  expect(await attempt({ authorization, origin: page })).toBe(101)
})

test('S29 a name that somebody pointed at us is refused on either listener', async () => {
  for (const url of [portico.url, portico.dashboardUrl]) {
    const { port } = new URL(url)
    for (const host of [
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      '192.0.2.1',
      'localhost.',
    ]) {
      const answer = await sendRaw(
        Number(port),
        request('GET / HTTP/1.1', `Host: ${host}`, 'Connection: close'),
      )
      expect([host, answer.status]).toEqual([host, host === 'localhost.' ? 200 : 421])
    }
  }
})

test('S32 what two servers could read in two ways is refused, and the connection closed', async () => {
  const host = 'Host: localhost'
  const chunked = 'Transfer-Encoding: chunked'
  const close = 'Connection: close'
  const cases: [name: string, bytes: string, status: number][] = [
    ['length and chunks', request('POST /v1/x HTTP/1.1', host, 'Content-Length: 5', chunked), 400],
    ['two hosts', request('GET / HTTP/1.1', host, 'Host: other'), 400],
    ['no host', request('GET / HTTP/1.1'), 400],
    ['foreign absolute form', request('GET http://evil.example/ HTTP/1.1', host), 400],
    ['chunks in HTTP/1.0', request('POST /v1/x HTTP/1.0', host, chunked), 400],
    ['TRACE', request('TRACE / HTTP/1.1', host, close), 405],
    ['CONNECT', request('CONNECT evil.example:443 HTTP/1.1', host), 405],
    ['encoded slash', request('GET /api%2fkeys HTTP/1.1', host), 400],
    ['encoded NUL', request('GET /api/%00 HTTP/1.1', host), 400],
    ['above the root', request('GET /../etc/passwd HTTP/1.1', host), 400],
    ['identity as hop-by-hop', request('GET / HTTP/1.1', host, 'Connection: X-Api-Key'), 400],
    ['underscore twin', request('GET / HTTP/1.1', host, 'X_Forwarded_For: 1.2.3.4'), 400],
    ['unknown expectation', request('POST /v1/x HTTP/1.1', host, 'Expect: 200-maybe'), 417],
    ['long header', request('GET / HTTP/1.1', host, `X-A: ${'a'.repeat(20_000)}`), 431],
    ['long URL', request(`GET /${'a'.repeat(9_000)} HTTP/1.1`, host), 414],
    ['HTTP/2.0', request('GET / HTTP/2.0', host), 505],
  ]
  for (const [name, bytes, status] of cases) {
    const answer = await sendRaw(portico.port, bytes)
    expect([name, answer.status]).toEqual([name, status])
    // A request smuggled behind it would have been answered on the same connection.
    expect([name, answer.text.match(/HTTP\/1\.1 \d/g)]).toEqual([
      name,
      ['HTTP/1.1 ' + String(status)[0]],
    ])
    expect([name, status !== 400 || answer.closedByServer]).toEqual([name, true])
  }
})

test('S32 dots are resolved before anything is authorised', async () => {
  const answer = await sendRaw(
    portico.port,
    request('GET /v1/../api/%6beys HTTP/1.1', 'Host: localhost', 'Connection: close'),
  )
  expect(answer.status).toBe(401)
  expect(answer.text).toContain('"hint"')
})

test('S35 S36 neither forwarding headers nor our credentials reach the provider', async () => {
  const forged = {
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-host': 'evil.example',
    forwarded: 'for=203.0.113.9',
    'x-real-ip': '203.0.113.9',
    cookie: 'session=secret',
    'proxy-authorization': 'Basic c2VjcmV0',
    'x-gateway-request-id': 'forged',
  }
  const body = { model: 'm', messages: [] }
  await portico.send('POST', `/v1/chat/completions?apiKey=${gateway.key}&beta=1`, {
    key: gateway.key,
    headers: { ...forged, 'x-api-key': gateway.key, apikey: gateway.key },
    body,
  })
  const { rawHeaders, url } = gateway.upstream.requests.at(-1) ?? { rawHeaders: [], url: '' }
  expect(url).toBe('/v1/chat/completions?beta=1')
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  for (const name of [...Object.keys(forged), 'x-api-key', 'apikey']) {
    expect(names).not.toContain(name)
  }
  expect(rawHeaders.join('\n')).not.toContain(gateway.key)
  expect(lastIp(portico)).toBe('127.0.0.1')
})

test('S35 behind a trusted proxy the right-most hop that is not trusted is the client', async () => {
  await using behind = await startPortico({
    'server.trustedProxies': ['127.0.0.0/8', '10.0.0.0/8'],
  })
  await behind.send('GET', '/v1/models', {
    key: behind.adminKey,
    headers: { 'x-forwarded-for': '1.1.1.1, 203.0.113.7, 10.1.2.3' },
  })
  expect(lastIp(behind)).toBe('203.0.113.7')
})

const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': expect.stringContaining('camera=()'),
  'cross-origin-opener-policy': 'same-origin',
}

function request(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

function lastIp({ logged }: Portico): unknown {
  const lines = logged.trim().split('\n')
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return entries.findLast(({ msg }) => msg === 'request')?.['ip']
}
