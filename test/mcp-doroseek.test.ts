import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openStream } from './support/mcp-client.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import type { McpGateway } from './support/mcp-gateway.ts'

const json = { 'content-type': 'application/json' }
const thought = { thought: 'Hm.', nextThoughtNeeded: true, thoughtNumber: 3, totalThoughts: 2 }
let gateway: McpGateway

beforeAll(async () => {
  gateway = await startMcpGateway()
})

afterAll(() => gateway[Symbol.asyncDispose]())

function urlOf(path: string, query: Record<string, string> = { apiKey: gateway.key }): string {
  return `${gateway.portico.url}/mcp/${path}?${new URLSearchParams(query).toString()}`
}

test('a client of SDK 1 thinks in steps over HTTP+SSE, with its key in the URL', async () => {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new SSEClientTransport(new URL(urlOf('sequentialthinking/sse'))))
  await using _ = { [Symbol.asyncDispose]: () => client.close() }
  expect(client.getServerVersion()).toMatchObject({
    name: 'mcp server sequentialthinking on doroseek',
    version: '0.1.0',
  })
  expect(client.getServerCapabilities()).toEqual({ tools: {} })
  const think = async (args: object) => {
    const params = { name: 'sequentialthinking', arguments: { ...thought, ...args } }
    return textIn(await client.callTool(params))
  }
  expect(await think({})).toBe(
    JSON.stringify(
      {
        thoughtNumber: 3,
        totalThoughts: 3,
        nextThoughtNeeded: true,
        branches: [],
        thoughtHistoryLength: 1,
      },
      null,
      2,
    ),
  )
  expect(JSON.parse(await think({ branchFromThought: 1, branchId: 'b' }))).toMatchObject({
    branches: ['b'],
    thoughtHistoryLength: 2,
  })
})

test('thoughts are those of one connection, and a bad one is an error of the tool', async () => {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new SSEClientTransport(new URL(urlOf('sequentialthinking/sse'))))
  await using _ = { [Symbol.asyncDispose]: () => client.close() }
  const call = { name: 'sequentialthinking', arguments: thought }
  const first = textIn(await client.callTool(call))
  expect(JSON.parse(first)).toMatchObject({ thoughtHistoryLength: 1 })
  const bad = await client.callTool({ ...call, arguments: { ...thought, thought: 7 } })
  expect(bad.isError).toBe(true)
  expect(JSON.parse(textIn(bad))).toEqual({
    error: expect.any(String) as string,
    status: 'failed',
  })
})

test('the wire of think is an endpoint, messages accepted, and answers on the stream', async () => {
  await using stream = await openStream(urlOf('think/sse'), {})
  expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const [endpoint] = await stream.until(1)
  expect(endpoint?.name).toBe('endpoint')
  expect(endpoint?.data).toMatch(/^\/mcp\/think\/message\?sessionId=[0-9a-f-]{36}$/)
  const post = async (message: object) => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    const target = `${gateway.portico.url}${endpoint?.data}`
    const answer = await fetch(target, { method: 'POST', headers: json, body })
    return [answer.status, await answer.text()]
  }
  const clientInfo = { name: 'raw', version: '1' }
  const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo }
  expect(await post({ id: 0, method: 'initialize', params })).toEqual([202, 'Accepted'])
  await stream.until(2)
  await post({ method: 'notifications/initialized' })
  await post({ id: 1, method: 'tools/call', params: { name: 'think', arguments: thought } })
  const events = await stream.until(3)
  expect(events.map(({ name }) => name)).toEqual(['endpoint', 'message', 'message'])
  expect(JSON.parse(events[2]?.data ?? '')).toEqual({
    jsonrpc: '2.0',
    id: 1,
    result: { content: [{ type: 'text', text: 'Hm.' }] },
  })
})

test('refusals are the objects and texts that clients know', async () => {
  const get = async (path: string, query?: Record<string, string>) => {
    const answer = await fetch(urlOf(path, query))
    return [answer.status, await answer.json()]
  }
  const unauthorized = [401, { error: 'MCP Unauthorized' }]
  expect(await get('think/sse', {})).toEqual(unauthorized)
  expect(await get('think/sse', { apiKey: 'wrong' })).toEqual(unauthorized)
  expect(await get('nothing/sse')).toEqual([404, { error: "MCP Server 'nothing' Not found" }])
  const post = async (path: string) => {
    const answer = await fetch(`${gateway.portico.url}/mcp/${path}`, {
      method: 'POST',
      headers: json,
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    })
    return [answer.status, await answer.text()]
  }
  expect(await post('think/message')).toEqual([400, 'No sessionId provided'])
  const [status] = await post(`think/message?sessionId=${crypto.randomUUID()}`)
  expect(status).toBe(404)
})

test('a connection ends by itself five seconds before the longest duration', async () => {
  await using short = await startMcpGateway({ 'services.maxDurationMs': 6_000 })
  await using stream = await openStream(
    `${short.portico.url}/mcp/think/sse?apiKey=${short.key}`,
    {},
  )
  const startedAt = performance.now()
  await stream.until(1)
  await stream.ended
  const lastedMs = performance.now() - startedAt
  expect(lastedMs).toBeGreaterThan(500)
  expect(lastedMs).toBeLessThan(4_000)
})

test('a client that leaves takes its connection with it', async () => {
  await using gone = await startMcpGateway()
  const stream = await openStream(`${gone.portico.url}/mcp/think/sse?apiKey=${gone.key}`, {})
  const [endpoint] = await stream.until(1)
  await stream[Symbol.asyncDispose]()
  const poll = async () => {
    const body = '{"jsonrpc":"2.0","method":"notifications/whatever"}'
    return (await fetch(gone.portico.url + endpoint?.data, { method: 'POST', headers: json, body }))
      .status
  }
  await vi.waitFor(async () => expect(await poll()).toBe(404), 8_000)
})
