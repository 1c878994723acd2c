import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { runBridge } from './stdio-bridge.ts'

const initialize =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}'
const hello = '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'

test('a stream that the server ends before the answer is resumed after its last event', async () => {
  const resumed: unknown[] = []
  await using bridge = await startBridge((req, res) => {
    const isStream = req.method === 'GET' && req.headers['last-event-id'] !== undefined
    if (isStream) {
      resumed.push(req.headers['last-event-id'])
      return sse(res, 'data: {"jsonrpc":"2.0","id":1,"result":{"n":1.0}}\n\n')
    }
    if (req.method !== 'POST') return void res.writeHead(405).end()
    readText(req, (body) => {
      if (body.includes('initialize')) return json(res, hello)
      sse(res, 'id: e7\nretry: 1\ndata:\n\n')
    })
  })
  bridge.say(initialize)
  bridge.say('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}')
  await vi.waitUntil(() => bridge.lines.length === 2)
  expect(bridge.lines[1]).toBe('{"jsonrpc":"2.0","id":1,"result":{"n":1.0}}')
  expect(resumed).toEqual(['e7'])
})

test('a stream that breaks and cannot be resumed is an error to its request', async () => {
  await using bridge = await startBridge((req, res) => {
    readText(req, (body) => {
      if (body.includes('initialize')) return json(res, hello)
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n')
      setImmediate(() => res.destroy())
    })
  })
  bridge.say(initialize)
  bridge.say('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}')
  await vi.waitUntil(() => bridge.lines.length === 2)
  expect(bridge.lines[1]).toContain('The connection broke before the answer.')
})

test('a refusal says what the gateway says, under the id of the request', async () => {
  await using bridge = await startBridge((_req, res) => {
    res.writeHead(401, { 'content-type': 'application/json' })
    res.end('{"error":{"code":"invalid_api_key","message":"No key.","hint":"Send one."}}')
  })
  bridge.say(initialize)
  await vi.waitUntil(() => bridge.lines.length === 1)
  expect(JSON.parse(bridge.lines[0] ?? '')).toEqual({
    jsonrpc: '2.0',
    id: 0,
    error: {
      code: -32000,
      message: 'No key. Send one.',
      data: { status: 401, code: 'invalid_api_key' },
    },
  })
})

test('the client gets one line a message, however the server breaks it, and bodies go out as they came', async () => {
  const bodies: string[] = []
  await using bridge = await startBridge((req, res) => {
    readText(req, (body) => {
      bodies.push(body)
      json(res, '{\n  "jsonrpc": "2.0",\r\n  "id": 12345678901234567890, "result": {}\n}\n')
    })
  })
  const odd = '{ "jsonrpc":"2.0", "id":12345678901234567890, "method":"initialize","params":{}}'
  bridge.say(odd)
  await vi.waitUntil(() => bridge.lines.length === 1)
  expect(bridge.lines[0]).toBe('{   "jsonrpc": "2.0",   "id": 12345678901234567890, "result": {} }')
  expect(bodies).toEqual([odd])
})

test('arguments that a tool wants in headers are repeated there', async () => {
  const calls: Record<string, unknown>[] = []
  await using bridge = await startBridge((req, res) => {
    readText(req, (body) => {
      if (!body.includes('tools/list')) calls.push(req.headers)
      const { id } = JSON.parse(body) as { id: number }
      const region = { type: 'string', 'x-mcp-header': 'Region' }
      const inputSchema = { type: 'object', properties: { at: { properties: { region } } } }
      const tools = [{ name: 't', inputSchema }]
      json(res, JSON.stringify({ jsonrpc: '2.0', id, result: { tools } }))
    })
  })
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  const say = (id: number, method: string, params: object) =>
    bridge.say(JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }))
  say(1, 'tools/list', {})
  await vi.waitUntil(() => bridge.lines.length === 1)
  say(2, 'tools/call', { name: 't', arguments: { at: { region: 'süd' } } })
  await vi.waitUntil(() => bridge.lines.length === 2)
  expect(calls).toMatchObject([
    { 'mcp-name': 't', 'mcp-param-region': `=?base64?${Buffer.from('süd').toString('base64')}?=` },
  ])
})

type Response = Parameters<RequestListener>[1]

function sse(res: Response, text: string): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' }).end(text)
}

function json(res: Response, text: string): void {
  res.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 's' }).end(text)
}

function readText(req: Parameters<RequestListener>[0], onText: (text: string) => void): void {
  let text = ''
  req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  req.on('end', () => onText(text))
}

async function startBridge(listener: RequestListener) {
  const server = createServer(listener)
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.address() as AddressInfo
  const [input, output] = [new PassThrough(), new PassThrough()]
  const lines: string[] = []
  output.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')))
  const ending = new AbortController()
  const ended = runBridge({
    url: `http://127.0.0.1:${port}/mcp/x`,
    key: undefined,
    input,
    output,
    log: () => undefined,
    signal: ending.signal,
  })
  return {
    lines,
    say: (line: string) => input.write(`${line}\n`),
    [Symbol.asyncDispose]: async () => {
      ending.abort()
      await ended
      const closed = Promise.withResolvers<unknown>()
      server.close(closed.resolve)
      server.closeAllConnections()
      await closed.promise
    },
  }
}
