import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { expect, test, vi } from 'vitest'
import {
  porticoEntry,
  startLegacySdkServer,
  startModernSdkServer,
} from '../../../test/support/connect-servers.ts'

const key = 'ptk_key-of-the-bridge'

test('a client on standard streams speaks with a server that keeps sessions', async () => {
  await using server = await startLegacySdkServer()
  await using client = await openClient(server.url)
  expect(client.getServerVersion()).toMatchObject({ name: 'legacy' })
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo', 'ask', 'hang'])
  const text = 'lines\nand ünïcode'
  expect(await client.callTool({ name: 'echo', arguments: { text } })).toMatchObject({
    content: [{ text }],
  })
  expect(server.seen.every(({ headers }) => headers.authorization === `Bearer ${key}`)).toBe(true)
})

test('the server asks the client, and hears the answer', async () => {
  await using server = await startLegacySdkServer()
  await using client = await openClient(server.url, (unopened) => {
    unopened.setRequestHandler('elicitation/create', async () => ({ action: 'decline' }))
  })
  expect(await client.callTool({ name: 'ask', arguments: {} })).toMatchObject({
    content: [{ text: 'decline' }],
  })
})

test('what belongs to no call comes through the stream that is open for it', async () => {
  await using server = await startLegacySdkServer()
  const heard = vi.fn<() => void>()
  await using client = await openClient(server.url, (unopened) => {
    unopened.setNotificationHandler('notifications/tools/list_changed', heard)
  })
  expect(client).toBeDefined()
  await vi.waitUntil(() => server.seen.some(({ method }) => method === 'GET'))
  await vi.waitUntil(() => {
    server.announce()
    return heard.mock.calls.length > 0
  })
})

test('a session that the server has lost is begun anew; only what changes nothing is repeated', async () => {
  await using server = await startLegacySdkServer()
  await using client = await openClient(server.url)
  await server.forget()
  expect((await client.listTools()).tools).toHaveLength(3)
  await server.forget()
  const call = { name: 'echo', arguments: { text: 'a' } }
  await expect(client.callTool(call)).rejects.toThrow('Nothing was done. Call again.')
  expect(await client.callTool(call)).toMatchObject({ content: [{ text: 'a' }] })
  expect(server.seen.filter(({ rpcMethod }) => rpcMethod === 'initialize')).toHaveLength(3)
})

test('the session ends at the server when the client closes its end', async () => {
  await using server = await startLegacySdkServer()
  {
    await using client = await openClient(server.url)
    expect([server.sessions, client !== undefined]).toEqual([1, true])
  }
  await vi.waitUntil(() => server.sessions === 0)
  expect(server.seen.at(-1)?.method).toBe('DELETE')
})

test('a client without sessions speaks with a server of its kind', async () => {
  await using server = await startModernSdkServer()
  await using client = await openClient(server.url)
  expect(await client.callTool({ name: 'echo', arguments: { text: 'ä' } })).toMatchObject({
    content: [{ text: 'ä' }],
  })
  expect(server.seen.every(({ method }) => method === 'POST')).toBe(true)
  expect(server.seen.at(-1)?.headers).toMatchObject({
    'mcp-method': 'tools/call',
    'mcp-name': 'echo',
    'mcp-protocol-version': '2026-07-28',
  })
})

test('a call that the client gives up ends at a server without sessions', async () => {
  await using server = await startModernSdkServer()
  await using client = await openClient(server.url)
  const giveUp = new AbortController()
  const call = client.callTool({ name: 'hang', arguments: {} }, { signal: giveUp.signal })
  await vi.waitUntil(() => server.seen.at(-1)?.headers['mcp-name'] === 'hang')
  giveUp.abort()
  await expect(call).rejects.toThrow('abort')
  await vi.waitUntil(() => server.givenUp === 1)
  const cancelled = server.seen.filter(({ rpcMethod }) => rpcMethod === 'notifications/cancelled')
  expect(cancelled).toEqual([])
})

test('answers still come after the input has ended, then the program ends with 0', async () => {
  await using server = await startLegacySdkServer()
  const { code, lines } = await runBridge(server.url, [
    handshake,
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}',
    'nonsense',
  ])
  expect(code).toBe(0)
  expect(lines).toContainEqual(expect.stringContaining('"text":"x"'))
  expect(lines).toContain(
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}',
  )
  expect(server.sessions).toBe(0)
})

test('a server that cannot be reached is an error to the request, and nothing else is on standard output', async () => {
  const { url, ...server } = await startModernSdkServer()
  await server[Symbol.asyncDispose]()
  const { code, lines, errors } = await runBridge(url, [handshake])
  expect(code).toBe(0)
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { id: 1, error: { code: -32000, message: expect.stringContaining('ECONNREFUSED') } },
  ])
  expect(errors).toContain('portico: initialize failed')
})

const handshake = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  },
})

async function openClient(url: string, prepare: (unopened: Client) => void = () => undefined) {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: 'auto' } },
  )
  prepare(client)
  const env = { PATH: process.env['PATH'] ?? '', PORTICO_KEY: key }
  const args = [porticoEntry, 'connect', url]
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env }))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

async function runBridge(url: string, lines: readonly string[]) {
  const child = spawn(process.execPath, [porticoEntry, 'connect', url], { stdio: 'pipe' })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  child.stdin.end(lines.join('\n'))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, lines: output.split('\n').filter((line) => line !== ''), errors }
}
