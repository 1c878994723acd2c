import { expect, test } from 'vitest'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { misbehaving } from './support/mcp-fixture.ts'
import { messageIn, startServiceGateway } from './support/service-gateway.ts'
import type { ServiceGateway } from './support/service-gateway.ts'
import { until } from './support/processes.ts'

/** Begins a session at a service and returns what posts in it. */
async function openSession(gateway: ServiceGateway, name: string, key = gateway.key) {
  const url = gateway.url(name)
  const headers = await beginSession(url, { key })
  return (call: object) => post(url, call, headers)
}

test('the requests a minute of a service are counted for each key, told in headers, and beyond them it is 429', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { requestsPerMinute: 2 })
  const send = await openSession(gateway, 'counter')
  const first = await send(callTool(1, 'count'))
  expect(first.status).toBe(200)
  expect(first.headers.get('x-ratelimit-limit')).toBe('2')
  expect(first.headers.get('x-ratelimit-remaining')).toBe('1')
  const resetAt = Number(first.headers.get('x-ratelimit-reset'))
  expect(resetAt).toBeGreaterThan(Date.now())
  expect((await send(callTool(2, 'count'))).headers.get('x-ratelimit-remaining')).toBe('0')
  const refused = await send(callTool(3, 'count'))
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.headers.get('x-ratelimit-remaining')).toBe('0')
  expect(messageIn(refused)).toMatchObject({
    jsonrpc: '2.0',
    id: 3,
    error: { data: { code: 'rate_limit_exceeded' } },
  })
  const { key } = await gateway.issueKey()
  const other = await openSession(gateway, 'counter', key)
  expect((await other(callTool(1, 'count'))).text).toContain('\\"count\\":3')
})

test('a service takes no more calls at a time than concurrencyMax, and has room again when one is over', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'), { concurrencyMax: 1 })
  const url = gateway.url('slow')
  const headers = await beginSession(url, { key: gateway.key })
  await using stream = await openStream(url, headers, callTool(1, 'wait', { ms: 60_000 }))
  await until(async () => (await gateway.show(id)).callsRunning === 1)
  const { key } = await gateway.issueKey()
  const other = await openSession(gateway, 'slow', key)
  const refused = await other(callTool(2, 'cancelled'))
  expect(messageIn(refused)).toMatchObject({ id: 2, error: { data: { code: 'overloaded' } } })
  const cancellation = { method: 'notifications/cancelled', params: { requestId: 1 } }
  await post(url, { jsonrpc: '2.0', ...cancellation }, headers)
  expect((await other(callTool(3, 'cancelled'))).text).toContain('"text":"1"')
  expect(stream.response.status).toBe(200)
})

test('a key is led to the services that it names, and to no more of their tools', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'))
  await gateway.add('slow', misbehaving('slow-call'))
  const { key } = await gateway.issueKey({ allowedServices: ['slow/cancelled'] })
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const send = await openSession(gateway, 'slow', key)
  const listed = await send(list)
  expect(messageIn(listed)).toMatchObject({ result: { tools: [{ name: 'cancelled' }] } })
  expect((await send(callTool(2, 'cancelled'))).text).toContain('"text":"0"')
  const refused = await send(callTool(3, 'wait', { ms: 1 }))
  expect(messageIn(refused)).toMatchObject({ error: { data: { code: 'service_not_allowed' } } })
  const forbidden = await post(gateway.url('counter'), list, gateway.headers(key))
  const unknown = await post(gateway.url('nothing'), list, gateway.headers(key))
  expect(forbidden.status).toBe(404)
  const withoutNames = (text: string) => text.replace(/counter|nothing|req_\w+/g, '')
  expect(withoutNames(forbidden.text)).toBe(withoutNames(unknown.text))
  const all = await post(gateway.url(), list, await beginSession(gateway.url(), { key }))
  expect(messageIn(all)).toMatchObject({ result: { tools: [{ name: 'cancelled' }] } })
})

test('a key without services:use gets nowhere', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'))
  const { key } = await gateway.portico.createKey({ scopes: ['models:use'] })
  const answer = await post(gateway.url('counter'), callTool(1, 'count'), gateway.headers(key))
  expect(answer.status).toBe(403)
  const none = await post(gateway.url('counter'), callTool(1, 'count'), {
    'content-type': 'application/json',
  })
  expect(none.status).toBe(401)
})

test('a service that is disabled is not found, not even by a session from before, until it is enabled again', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('counter', misbehaving('counter'))
  const send = await openSession(gateway, 'counter')
  expect((await send(callTool(1, 'count'))).status).toBe(200)
  await gateway.portico.api('PATCH', `/api/services/${id}`, { enabled: false })
  expect((await send(callTool(2, 'count'))).status).toBe(404)
  await until(async () => (await gateway.show(id)).instances === 0)
  await gateway.portico.api('PATCH', `/api/services/${id}`, { enabled: true })
  expect((await send(callTool(3, 'count'))).text).toContain('\\"count\\":1')
})

interface UsageRows {
  readonly requests: readonly {
    readonly keyId: string
    readonly route: string
    readonly modelAsked: string | null
    readonly providerId: string | null
    readonly status: number
    readonly costUsd: number | null
    readonly abortedBy: string | null
  }[]
}

test('every call is a row of usage with its key, tool, service, price and end', async () => {
  await using gateway = await startServiceGateway()
  const { portico } = gateway
  const priced = { costUsd: 0.01, filter: { tools: { rename: { count: 'tally' } } } }
  const id = await gateway.add('counter', misbehaving('counter'), priced)
  const { id: keyId, key } = await gateway.issueKey()
  const send = await openSession(gateway, 'counter', key)
  await send(callTool(1, 'tally'))
  const failed = await gateway.add('fragile', misbehaving('exit-on-call'))
  await (
    await openSession(gateway, 'fragile', key)
  )(callTool(1, 'echo'))
  const path = `/api/usage/requests?keyId=${keyId}`
  await until(async () => (await portico.api<UsageRows>('GET', path)).requests.length === 2)
  const { requests } = await portico.api<UsageRows>('GET', path)
  expect(requests).toMatchObject([
    {
      keyId,
      route: 'mcp/tools/call',
      modelAsked: 'echo',
      providerId: failed,
      status: 503,
      costUsd: 0,
    },
    {
      keyId,
      route: 'mcp/tools/call',
      modelAsked: 'tally',
      modelUsed: 'count',
      providerId: id,
      status: 200,
      costUsd: 0.01,
    },
  ])
  const { total } = await portico.api<{ total: object }>('GET', `/api/usage?keyId=${keyId}`)
  expect(total).toMatchObject({ requests: 2, errors: 1, costUsd: 0.01 })
})

test('the price of calls counts against the budget of a key, and what is above it is refused', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { costUsd: 0.01 })
  const { key } = await gateway.issueKey({ budget: { total: 0.02 } })
  const send = await openSession(gateway, 'counter', key)
  expect((await send(callTool(1, 'count'))).status).toBe(200)
  expect((await send(callTool(2, 'count'))).status).toBe(200)
  const refused = await send(callTool(3, 'count'))
  expect(refused.status).toBe(429)
  expect(messageIn(refused)).toMatchObject({
    id: 3,
    error: { data: { code: 'insufficient_quota' } },
  })
  const listed = await send({ jsonrpc: '2.0', id: 4, method: 'tools/list' })
  expect(listed.status).toBe(200)
})
