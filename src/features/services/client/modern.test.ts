import { expect, test } from 'vitest'
import { mcpHeaders, openStream, post, until } from '../../../../test/support/mcp-client.ts'
import { toolResult } from '../../../../test/support/mcp-endpoint.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import { AppError } from '../../../lib/errors.ts'

const version = '2026-07-28'
const envelope = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
  'io.modelcontextprotocol/clientInfo': { name: 'modern-client', version: '1' },
}

function request(method: string, params: object = {}, meta: object | undefined = envelope) {
  const all = meta === undefined ? params : { ...params, _meta: meta }
  return { jsonrpc: '2.0', id: 'r-1', method, params: all }
}

function headersFor(method: string, more: Readonly<Record<string, string>> = {}) {
  return { ...mcpHeaders, 'mcp-protocol-version': version, 'mcp-method': method, ...more }
}

function without(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  const { [name]: _, ...rest } = headers
  return rest
}

const echo = request('tools/call', { name: 'echo', arguments: { a: 1 } })
const echoHeaders = headersFor('tools/call', { 'mcp-name': 'echo' })

test('a request is answered without any session, by a relay of its own that knows the client', async () => {
  await using fixture = await openMcpFront()
  const headers = { ...echoHeaders, 'mcp-session-id': 'whatever', 'last-event-id': 'x-1' }
  const answer = await post(`${fixture.url}/one`, echo, headers)
  expect(answer.status).toBe(200)
  expect(answer.json).toMatchObject({ id: 'r-1', result: { resultType: 'complete' } })
  expect(answer.headers.get('mcp-session-id')).toBeNull()
  expect(fixture.one.relays[0]?.profile).toMatchObject({
    era: 'modern',
    sessionId: undefined,
    protocolVersion: version,
    capabilities: { elicitation: {} },
    clientInfo: { name: 'modern-client' },
  })
  expect(fixture.one.alive).toHaveLength(0)
})

test('S38 headers that are missing or differ from the body are -32020 and 400', async () => {
  await using fixture = await openMcpFront()
  const cases = [
    without(echoHeaders, 'mcp-protocol-version'),
    without(echoHeaders, 'mcp-method'),
    without(echoHeaders, 'mcp-name'),
    { ...echoHeaders, 'mcp-protocol-version': '2025-11-25' },
    { ...echoHeaders, 'mcp-method': 'tools/list' },
    { ...echoHeaders, 'mcp-method': 'TOOLS/CALL' },
    { ...echoHeaders, 'mcp-name': 'hold' },
    { ...echoHeaders, 'mcp-name': '=?base64?ZWNobw?=' },
  ]
  for (const headers of cases) {
    const answer = await post(`${fixture.url}/one`, echo, headers)
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ id: 'r-1', error: { code: -32020 } })
  }
  expect(fixture.one.relays).toHaveLength(0)
})

test('a name is compared as it is meant: without blanks around it, and unwrapped', async () => {
  await using fixture = await openMcpFront()
  const wrapped = `=?base64?${Buffer.from('écho').toString('base64')}?=`
  const answer = await post(`${fixture.url}/one`, request('tools/call', { name: 'écho' }), {
    ...echoHeaders,
    'mcp-name': wrapped,
  })
  expect(answer.json).toMatchObject({ error: { code: -32602, message: 'Unknown tool: écho' } })
  const spaced = await post(`${fixture.url}/one`, echo, { ...echoHeaders, 'mcp-name': '  echo  ' })
  expect(spaced.status).toBe(200)
  const resource = request('resources/read', { uri: 'test://x' })
  const read = headersFor('resources/read', { 'mcp-name': 'test://y' })
  expect((await post(`${fixture.url}/one`, resource, read)).status).toBe(400)
})

test('an envelope that is missing or malformed is -32602 and 400', async () => {
  await using fixture = await openMcpFront()
  const { 'io.modelcontextprotocol/clientCapabilities': _, ...incapable } = envelope
  const { 'io.modelcontextprotocol/protocolVersion': __, ...versionless } = envelope
  const cases = [
    undefined,
    {},
    incapable,
    versionless,
    { ...envelope, 'io.modelcontextprotocol/protocolVersion': 7 },
    { ...envelope, 'io.modelcontextprotocol/clientCapabilities': [] },
    { ...envelope, 'io.modelcontextprotocol/clientInfo': 'me' },
  ]
  for (const meta of cases) {
    const body = { ...request('tools/list', {}, {}), params: meta && { _meta: meta } }
    const answer = await post(`${fixture.url}/one`, body, headersFor('tools/list'))
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ id: 'r-1', error: { code: -32602 } })
  }
  const { 'io.modelcontextprotocol/clientInfo': ___, ...nameless } = envelope
  const served = await post(
    `${fixture.url}/one`,
    request('tools/list', {}, nameless),
    headersFor('tools/list'),
  )
  expect(served.status).toBe(200)
})

test('a claim in the body is enough to be taken for modern, even a malformed one or one with escaped slashes', async () => {
  await using fixture = await openMcpFront()
  const claim = { 'io.modelcontextprotocol/clientInfo': {} }
  const answer = await post(`${fixture.url}/one`, request('tools/list', {}, claim))
  expect(answer.json).toMatchObject({ error: { code: -32602 } })
  const escaped = JSON.stringify(request('tools/list')).replaceAll('/protocol', '\\/protocol')
  const served = await post(`${fixture.url}/one`, escaped, headersFor('tools/list'))
  expect(served.status).toBe(200)
})

test('a revision that is not spoken is -32022, with those that are', async () => {
  await using fixture = await openMcpFront()
  const future = { ...envelope, 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' }
  const headers = { ...headersFor('tools/list'), 'mcp-protocol-version': 'v999.0.0' }
  const answer = await post(`${fixture.url}/one`, request('tools/list', {}, future), headers)
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({
    error: { code: -32022, data: { supported: [version], requested: 'v999.0.0' } },
  })
  const mixed = request('tools/list', {}, future)
  const differs = await post(`${fixture.url}/one`, mixed, headersFor('tools/list'))
  expect(differs.json).toMatchObject({ error: { code: -32020 } })
})

test('errors of the relay have the status of their code, and 200 where they are the business of the server', async () => {
  await using fixture = await openMcpFront()
  const unknown = await post(`${fixture.url}/one`, request('no/such'), headersFor('no/such'))
  expect(unknown.status).toBe(404)
  expect(unknown.json).toMatchObject({ id: 'r-1', error: { code: -32601 } })
  const tool = request('tools/call', { name: 'nothing' })
  const headers = headersFor('tools/call', { 'mcp-name': 'nothing' })
  const answer = await post(`${fixture.url}/one`, tool, headers)
  expect(answer.status).toBe(200)
  expect(answer.json).toMatchObject({ error: { code: -32602 } })
})

test('a failure of the server has its own status', async () => {
  await using fixture = await openMcpFront()
  fixture.one.failure = new AppError('upstream_timeout', 'It is slow.')
  const answer = await post(`${fixture.url}/one`, echo, echoHeaders)
  expect(answer.status).toBe(504)
  expect(answer.json).toMatchObject({ id: 'r-1', error: { code: -32603 } })
  expect(fixture.one.alive).toHaveLength(0)
})

test('arrays and responses do not exist in this era', async () => {
  await using fixture = await openMcpFront()
  expect((await post(`${fixture.url}/one`, [echo], echoHeaders)).status).toBe(400)
  const response = { jsonrpc: '2.0', id: 1, result: {} }
  expect((await post(`${fixture.url}/one`, response, echoHeaders)).status).toBe(400)
})

test('a notification is 202 and reaches the relay', async () => {
  await using fixture = await openMcpFront()
  const body = { jsonrpc: '2.0', method: 'notifications/x', params: { _meta: envelope } }
  const answer = await post(`${fixture.url}/one`, body, headersFor('notifications/x'))
  expect([answer.status, answer.text]).toEqual([202, ''])
  expect(fixture.one.relays[0]?.notifications).toHaveLength(1)
  expect(fixture.one.alive).toHaveLength(0)
  const lying = await post(`${fixture.url}/one`, body, headersFor('notifications/y'))
  expect(lying.json).toMatchObject({ error: { code: -32020 } })
})

test('parameter headers are passed on as they came', async () => {
  await using fixture = await openMcpFront()
  await post(`${fixture.url}/one`, echo, { ...echoHeaders, 'Mcp-Param-Region': '=?base64?w6k=?=' })
  const [call] = fixture.one.relays[0]?.calls ?? []
  expect(call?.paramHeaders?.map((text) => text.toLowerCase())).toEqual([
    'mcp-param-region',
    '=?base64?w6k=?=',
  ])
})

test('progress comes on the stream of the request, without event ids, and the answer ends it', async () => {
  await using fixture = await openMcpFront()
  const body = request('tools/call', { name: 'progress', arguments: {} })
  const headers = headersFor('tools/call', { 'mcp-name': 'progress' })
  const { events } = await post(`${fixture.url}/one`, body, headers)
  expect(events).toHaveLength(3)
  expect(events.every(({ id }) => id === undefined)).toBe(true)
  const json = await post(`${fixture.url}/one`, body, { ...headers, accept: 'application/json' })
  expect(json.json).toMatchObject({ id: 'r-1', result: {} })
})

test('a client that closes the stream cancels the request', async () => {
  await using fixture = await openMcpFront()
  const body = request('tools/call', { name: 'hold', arguments: {} })
  const headers = headersFor('tools/call', { 'mcp-name': 'hold' })
  const stream = await openStream(`${fixture.url}/one`, headers, body)
  expect(fixture.front.running).toBe(1)
  stream.cut()
  const [relay] = fixture.one.relays
  await until(() => relay?.isDisposed === true)
  expect(relay?.cancelled).toEqual(['"r-1"'])
  expect(fixture.front.running).toBe(0)
})

test('a subscription is a stream that lasts until the client leaves or the relay ends it', async () => {
  await using fixture = await openMcpFront()
  const body = request('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const headers = headersFor('subscriptions/listen')
  await using stream = await openStream(`${fixture.url}/one`, headers, body)
  const [first] = await stream.until(1)
  expect(first?.data).toContain('notifications/subscriptions/acknowledged')
  fixture.one.relays[0]?.held.get('"r-1"')?.onResponse(toolResult('"r-1"', 'over'))
  await stream.ended
  expect(fixture.one.alive).toHaveLength(0)
  const refused = await post(`${fixture.url}/one`, body, { ...headers, accept: 'application/json' })
  expect(refused.status).toBe(406)
})
