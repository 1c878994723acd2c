import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { serveHttp } from './support/mcp-servers.ts'
import { openOutspoken } from './support/outspoken.ts'
import { startPortico, type Portico } from './support/portico.ts'

const plain = { accept: 'application/json' }

/** Serves a legacy server over HTTP whose answers to all but the handshake are made by `answer`. */
function serveLegacy(answer: (method: string) => string | undefined) {
  return serveHttp(async (req, res) => {
    if (req.method !== 'POST') return void res.writeHead(405).end()
    let text = ''
    for await (const chunk of req) text += String(chunk)
    const { id, method } = JSON.parse(text) as { id?: number; method: string }
    if (id === undefined) return void res.writeHead(202).end()
    const result = method === 'initialize' ? hello : answer(method)
    const body =
      result === undefined
        ? '"error":{"code":-32601,"message":"no such method"}'
        : `"result":${result}`
    const status = method === 'server/discover' ? 404 : 200
    res.writeHead(status, { 'content-type': 'application/json' })
    res.end(`{"jsonrpc":"2.0","id":${id},${body}}`)
  })
}

const hello = JSON.stringify({
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'test', version: '1' },
})

async function addRemote(portico: Portico, url: string): Promise<string> {
  const upstream = { kind: 'remote', url, allowPrivate: true }
  await portico.api('POST', '/api/services', { name: 'remote', upstream })
  const { key } = await portico.createKey({ scopes: ['services:use'] })
  return key
}

const ask = (
  { portico, key }: { portico: Portico; key: string },
  path: string,
  call: { method: string; params?: object },
) => portico.send('POST', path, { key, headers: plain, body: { jsonrpc: '2.0', id: 1, ...call } })

test('S47 a list of tools that no client could read is refused, and not kept', async () => {
  const description = 'x'.repeat(1_000_000)
  const tools = Array.from({ length: 20 }, (_, index) => ({
    name: `t${index}`,
    description,
    inputSchema: { type: 'object' },
  }))
  const listed = JSON.stringify({ tools })
  await using server = await serveLegacy((method) => (method === 'tools/list' ? listed : undefined))
  await using portico = await startPortico()
  const key = await addRemote(portico, server.url)
  const answer = await ask({ portico, key }, '/mcp/remote', { method: 'tools/list' })
  expect(answer.text).toContain('too long')
  expect(answer.bytes.length).toBeLessThan(1_000)
})

test('S71 a search for very many words is refused before it is begun', async () => {
  const tools = [{ name: 'read', description: 'reads', inputSchema: { type: 'object' } }]
  const listed = JSON.stringify({ tools })
  await using server = await serveLegacy((method) => (method === 'tools/list' ? listed : undefined))
  await using portico = await startPortico()
  const key = await addRemote(portico, server.url)
  const find = (query: string) =>
    ask({ portico, key }, '/mcp/remote?mode=search', {
      method: 'tools/call',
      params: { name: 'find_tools', arguments: { query } },
    })
  expect((await find('read')).text).toContain('"matching":1')
  const words = Array.from({ length: 1_000 }, (_, index) => `w${index}`).join(' ')
  expect((await find(words)).text).toContain('"isError":true')
})

test('a client can watch very many resources, and no more', async () => {
  await using outspoken = await openOutspoken()
  const { portico, key } = outspoken
  for (const path of ['outspoken', 'ws']) {
    const url = `ws://127.0.0.1:${portico.port}/mcp/${path}`
    const socket = new WebSocket(url, ['mcp'], { headers: { 'x-api-key': key } })
    await once(socket, 'open')
    const refused: number[] = []
    let answered = 0
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { id?: number; error?: object }
      if (message.id === undefined) return
      answered += 1
      if (message.error !== undefined) refused.push(message.id)
    })
    for (let id = 1; id <= 1_002; id += 1) {
      const params = { uri: `memo:${id}` }
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'resources/subscribe', params }))
      // A connection has a bounded number of calls under way.
      const awaited = id - (id % 500)
      await expect.poll(() => answered >= awaited, { timeout: 10_000 }).toBe(true)
    }
    await expect.poll(() => answered, { timeout: 10_000 }).toBe(1_002)
    expect([path, refused]).toEqual([path, [1_001, 1_002]])
    socket.terminate()
  }
})

test('a server that wants to be asked again at once is asked again after a pause', async () => {
  let opened = 0
  const server = createServer((req, res) => {
    if (req.method === 'GET') {
      opened += 1
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.end(`retry: 0\nid: ${opened}\ndata:\n\n`)
      return
    }
    let text = ''
    req.on('data', (chunk) => (text += String(chunk)))
    req.on('end', () => {
      const { id, method } = JSON.parse(text) as { id?: number; method: string }
      const result = method === 'initialize' ? hello : '{"content":[],"tools":[]}'
      if (id === undefined || method === 'server/discover') {
        return res.writeHead(id === undefined ? 202 : 404).end()
      }
      res.writeHead(200, { 'content-type': 'application/json' })
      return res.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    })
  })
  await using scope = new AsyncDisposableStack()
  scope.defer(() => server.closeAllConnections())
  scope.defer(() => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const portico = scope.use(await startPortico())
  const key = await addRemote(portico, `http://127.0.0.1:${port}/`)
  expect(
    (await ask({ portico, key }, '/mcp/remote', { method: 'tools/call', params: { name: 'x' } }))
      .status,
  ).toBe(200)
  const before = opened
  const begun = performance.now()
  await expect.poll(() => opened - before, { timeout: 10_000 }).toBeGreaterThan(5)
  expect(performance.now() - begun).toBeGreaterThan(300)
})
