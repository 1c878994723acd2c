import path from 'node:path'
import { expect, test } from 'vitest'
import { startPortico, type Portico } from './support/portico.ts'

const program = path.join(import.meta.dirname, 'fixtures/mcp/outspoken.ts')
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
}

/** A Portico with the outspoken server behind it, and one that calls its tools. */
async function openOutspoken(fields: object = {}) {
  await using scope = new AsyncDisposableStack()
  const portico = scope.use(await startPortico())
  const upstream = { kind: 'process', command: process.execPath, args: [program], ...fields }
  await portico.api('POST', '/api/services', { name: 'outspoken', upstream })
  const { key } = await portico.createKey({ scopes: ['services:use'] })
  const owned = scope.move()
  return { portico, key, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Calls a tool as a client of the modern era does, or as one that knows JSON-RPC over POST and nothing else. */
function call(
  { portico, key }: { readonly portico: Portico; readonly key: string },
  era: 'modern' | 'plain',
  { name = 'say', lines = [] }: { readonly name?: string; readonly lines?: readonly string[] },
) {
  const meta = era === 'modern' ? { _meta: envelope } : {}
  const params = { name, arguments: { lines }, ...meta }
  const headers: Record<string, string> =
    era === 'plain'
      ? { accept: 'application/json' }
      : {
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': name,
        }
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
  return portico.send('POST', '/mcp/outspoken', { key, headers, body })
}

const done = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"_meta":{"done":true}}}'

test('R17 what a server says that is no JSON inside harms nobody, and its call is answered', async () => {
  await using fixture = await openOutspoken()
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const broken = [
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":tru}}',
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":{"a" "b"}}}',
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep}}}`,
    '{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{"a":tru}}',
    '{"jsonrpc":"2.0","id":1.e,"method":"ping","params":{}}',
    '{"jsonrpc":"2.0","method":"\\x"}',
    `[${deep}]`,
  ]
  for (const era of ['modern', 'plain'] as const) {
    const answer = await call(fixture, era, { lines: [...broken, done] })
    expect([era, answer.status]).toEqual([era, 200])
    expect(answer.text).toContain('"done":true')
  }
  const unreadable = ['"error":{"code":tru}', '"result":{"content":tru,"x":{"a" "b"}}']
  for (const outcome of unreadable) {
    const line = `{"jsonrpc":"2.0","id":$ID,${outcome}}`
    const { status, text } = await call(fixture, 'modern', { lines: [line] })
    expect([outcome, status, text.includes('"result"') || text.includes('"error"')]).toEqual([
      outcome,
      200,
      true,
    ])
  }
})

test('a server that asks with nesting without end fails its own call', async () => {
  await using fixture = await openOutspoken()
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const line = `{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":${deep}}}`
  const answer = await call(fixture, 'modern', { lines: [line] })
  expect(answer.status).toBe(200)
  expect((await call(fixture, 'plain', { lines: [done] })).text).toContain('"done":true')
})
