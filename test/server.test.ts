import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, startPortico } from './support/portico.ts'
import type { Gateway, Portico } from './support/portico.ts'
import { exchangeRaw, formatRequest, openRawClient } from './support/raw-client.ts'
import { hangUp } from './support/upstream-faults.ts'
import { openAiSurface } from './support/upstream-answers.ts'

let gateway: Gateway
let portico: Portico

beforeAll(async () => {
  gateway = await startGateway()
  portico = gateway.portico
})

afterAll(() => gateway[Symbol.asyncDispose]())

test('health tells a stranger that it works, and nothing else', async () => {
  expect((await portico.send('GET', '/healthz')).json()).toEqual({ status: 'ok' })
  expect((await portico.send('GET', '/readyz')).json()).toEqual({ status: 'ready' })
  expect((await portico.send('GET', '/health')).json()).toEqual({
    status: 'healthy',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    uptime: expect.any(Number),
    services: { total: 0, running: 0, stopped: 0 },
  })
  const head = await portico.send('HEAD', '/readyz')
  expect([head.status, head.bytes.length]).toEqual([200, 0])
  const posted = await portico.send('POST', '/healthz')
  expect([posted.status, posted.headers['allow']]).toEqual([405, 'GET, HEAD'])
})

test('the request id in an answer is the one in its access line', async () => {
  const answers = [
    await gateway.post('chat/completions', { model: 'm', messages: [] }),
    await portico.send('GET', '/api/keys', { key: portico.adminKey }),
    await portico.send('GET', '/nothing/here'),
    await portico.send('GET', '/healthz'),
  ]
  for (const { headers, status } of answers) {
    const id = headers['x-gateway-request-id']
    expect(id).toMatch(/^req_/)
    const line = lines().find((entry) => entry['id'] === id && entry['msg'] === 'request')
    expect(line).toMatchObject({ status, ip: '127.0.0.1', complete: true })
  }
})

test('what the front door refuses leaves a line as well', async () => {
  const answer = await portico.send('GET', '/healthz', { headers: { host: 'evil.example' } })
  expect(lines()).toContainEqual(
    expect.objectContaining({
      msg: 'refused',
      id: answer.headers['x-gateway-request-id'],
      status: 421,
      error: 'misdirected_host',
    }),
  )
})

test('the metrics hold every promised figure', async () => {
  gateway.upstream.script(hangUp(), openAiSurface())
  await gateway.post('chat/completions', { model: 'm', messages: [] })
  const answer = await portico.send('GET', '/metrics', { key: portico.adminKey })
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=/)
  const figure = (pattern: RegExp): number => Number(pattern.exec(answer.text)?.[1])
  expect(figure(/^portico_requests_total\{plane="data",status="2xx"\} (\S+)$/m)).toBeGreaterThan(0)
  expect(figure(/^portico_request_duration_seconds_count\{plane="data"\} (\S+)$/m)).toBeGreaterThan(
    0,
  )
  expect(
    figure(/^portico_upstream_errors_total\{provider="acme",kind="\w+"\} (\S+)$/m),
  ).toBeGreaterThan(0)
  expect(figure(/^portico_model_calls_running (\S+)$/m)).toBe(0)
  expect(figure(/^portico_usage_rows_queued (\S+)$/m)).toBeGreaterThanOrEqual(0)
  expect(figure(/^portico_usage_rows_dropped (\S+)$/m)).toBe(0)
  expect(figure(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m)).toBeGreaterThanOrEqual(0)
  expect(figure(/^portico_requests_refused_total\{error="\w+"\} (\S+)$/m)).toBeGreaterThan(0)
})

test('the OpenAPI document is whole: 3.1, every reference resolves, every operation says what it does', async () => {
  const document = (await portico.send('GET', '/api/openapi.json')).json()
  expect(document['openapi']).toMatch(/^3\.1\.\d$/)
  expect(document['info']).toMatchObject({
    title: expect.any(String),
    version: expect.any(String),
  })
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)]
  expect(references.length).toBeGreaterThan(0)
  for (const [, reference = ''] of references) {
    expect([reference, resolve(document, reference)]).toEqual([reference, expect.any(Object)])
  }
  const operations = Object.entries(document['paths'] as Record<string, object>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, about]) => ({ path, method, about })),
  )
  expect(operations.length).toBeGreaterThan(25)
  for (const { path, method, about } of operations) {
    expect([path, method, about]).toEqual([
      path,
      method,
      expect.objectContaining({
        summary: expect.stringMatching(/\S/),
        tags: [expect.any(String)],
        responses: expect.objectContaining({ default: expect.any(Object) }),
      }),
    ])
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const declared = ((about as { parameters?: { in: string; name: string }[] }).parameters ?? [])
      .filter((parameter) => parameter.in === 'path')
      .map((parameter) => parameter.name)
    expect([path, declared]).toEqual([path, named])
  }
})

test('the page about the API lists every operation and is the same on both listeners', async () => {
  const page = await portico.send('GET', '/api/docs')
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
  expect(page.text).toContain('<code>/api/providers/{id}/check</code>')
  expect(page.text).toContain('Give a key a new text')
  const onDashboard = await fetch(`${portico.dashboardUrl}/api/docs`)
  expect(await onDashboard.text()).toBe(page.text)
})

test('the dashboard’s listener serves its own pages and nothing of the public one', async () => {
  const status = await fetch(portico.dashboardUrl)
  expect(await status.text()).toContain('Portico status')
  const authorization = `Bearer ${portico.adminKey}`
  for (const path of ['/v1/models', '/api/keys', '/metrics', '/healthz', '/not-found', '/x']) {
    const answer = await fetch(portico.dashboardUrl + path, { headers: { authorization } })
    expect([path, answer.status]).toEqual([path, 404])
    await answer.body?.cancel()
  }
})

test('a filter by key id is not taken for a credential', async () => {
  for (const route of ['usage', 'usage/requests', 'prompts', 'aliases/resolve']) {
    const path = `/api/${route}?keyId=key_admin${route.startsWith('aliases') ? '&model=m' : ''}`
    const answer = await portico.send('GET', path, { key: portico.adminKey })
    expect([path, answer.status]).toEqual([path, 200])
  }
})

test('a management body that stops arriving is answered 408, and one whose sender left is no failure', async () => {
  await using slow = await startPortico({ 'limits.bodyTimeoutMs': 100 })
  const head = {
    authorization: `Bearer ${slow.adminKey}`,
    'content-type': 'application/json',
    'content-length': '1000',
  }
  using gone = await openRawClient(slow.port)
  gone.send(formatRequest('POST /api/keys', head), '{"name"')
  gone.socket.destroy()
  const answer = await exchangeRaw(slow.port, formatRequest('POST /api/keys', head), '{"name"')
  expect(answer.toString()).toContain('HTTP/1.1 408')
  expect(answer.toString()).toContain('"code":"request_timeout"')
  expect(slow.logged).not.toContain('"level":"error"')
})

function lines(): Record<string, unknown>[] {
  return portico.logged
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function resolve(document: unknown, reference: string): unknown {
  return reference
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((value, name) => Reflect.get(Object(value), name), document)
}
