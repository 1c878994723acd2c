import { text as readText } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { call } from '../../../../test/support/call-log.ts'
import {
  serveHttp,
  serveModern,
  serveSessions,
  serveSse,
} from '../../../../test/support/mcp-servers.ts'
import { openRemote } from '../../../../test/support/remote.ts'
import { createUpstreamPools } from './upstream-pools.ts'

const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'

test('a legacy server is found out by its refusal, and HTTP with SSE by the one after', async () => {
  await using sessions = await serveSessions()
  await using one = await openRemote(sessions.url)
  expect([one.transport, one.connection.era]).toEqual(['streamable-http', 'legacy'])
  await using old = await serveSse()
  await using other = await openRemote(old.url)
  expect([other.transport, other.connection.era]).toEqual(['sse', 'legacy'])
  expect(old.requests.map(({ method }) => method).slice(0, 3)).toEqual(['POST', 'POST', 'GET'])
  expect(await call(other.connection, list)).toContain('echo')
})

test('a server that speaks both is spoken with as a modern one, unless told otherwise', async () => {
  await using server = await serveModern({ legacy: 'stateless' })
  await using found = await openRemote(server.url)
  expect(found.connection.era).toBe('modern')
  await using told = await openRemote(server.url, { era: 'legacy' })
  expect(told.connection.era).toBe('legacy')
  expect(await call(told.connection, list)).toContain('echo')
})

test('what was found out before is tried first, and found out anew where it is wrong', async () => {
  await using server = await serveSessions()
  await using right = await openRemote(server.url, {
    remembered: { era: 'legacy', transport: 'streamable-http' },
  })
  expect(server.requests).toHaveLength(3)
  await using wrong = await openRemote(server.url, {
    remembered: { era: 'modern', transport: 'streamable-http' },
  })
  await using stale = await openRemote(server.url, {
    remembered: { era: 'legacy', transport: 'sse' },
  })
  expect([right, wrong, stale].map(({ connection }) => connection.era)).toEqual([
    'legacy',
    'legacy',
    'legacy',
  ])
})

test.each([401, 403, 500, 503, 429])(
  'status %i proves nothing, and ends the search',
  async (status) => {
    await using server = await serveHttp((_req, res) => void res.writeHead(status).end('secret'))
    await expect(openRemote(server.url)).rejects.toMatchObject({
      code: 'upstream_failed',
      message: `The server answered with status ${status}.`,
    })
    expect(server.requests).toHaveLength(1)
  },
)

test('a version that is not spoken, with legacy ones named, leads to the handshake', async () => {
  await using server = await serveHttp(async (req, res) => {
    const body = JSON.parse((await readText(req)) || '{}') as { id?: number; method?: string }
    if (req.method !== 'POST') return void res.writeHead(405).end()
    if (body.id === undefined) return void res.writeHead(202).end()
    const isHandshake = body.method === 'initialize'
    const answer = isHandshake
      ? { result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } }
      : { error: { code: -32022, message: 'no', data: { supported: ['2025-11-25'] } } }
    res.writeHead(isHandshake ? 200 : 400, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, ...answer }))
  })
  await using opened = await openRemote(server.url)
  expect(opened.connection.era).toBe('legacy')
})

test('a server that says nothing is given up with the signal', async () => {
  await using server = await serveHttp(() => {})
  await expect(openRemote(server.url, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    code: 'upstream_timeout',
  })
})

test('S57 private addresses are refused by text and by name, whatever the transport', async () => {
  await using server = await serveModern()
  const { port } = new URL(server.url)
  const refused = { code: 'destination_not_allowed' }
  const open = (url: string) => openRemote(url, { allowPrivate: false })
  await expect(open(server.url)).rejects.toMatchObject(refused)
  await expect(open(`ws://127.0.0.1:${port}/mcp`)).rejects.toMatchObject(refused)
  await expect(open(`http://[::ffff:7f00:1]:${port}/mcp`)).rejects.toMatchObject(refused)
  await expect(open('gopher://example.org/')).rejects.toMatchObject({ code: 'invalid_request' })
  await using pools = createUpstreamPools({
    resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  for (const scheme of ['http', 'ws']) {
    await expect(
      openRemote(`${scheme}://rebound.example:${port}/mcp`, { allowPrivate: false, pools }),
    ).rejects.toMatchObject(refused)
  }
  expect(server.requests).toHaveLength(0)
})

test('a port where nobody listens is unreachable', async () => {
  const server = await serveModern()
  await server[Symbol.asyncDispose]()
  await expect(openRemote(server.url)).rejects.toMatchObject({ code: 'upstream_unreachable' })
})
