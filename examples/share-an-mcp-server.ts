// Puts an MCP server behind Portico, and gives somebody a key that may call one tool of it.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const { PORTICO_URL = 'http://127.0.0.1:8437', PORTICO_KEY = '' } = process.env

// Any program that speaks MCP on its standard streams; a remote server is { kind: 'remote', url }.
const program = fileURLToPath(
  import.meta.resolve('@modelcontextprotocol/server-memory/dist/index.js'),
)
const service = await manage<{ id: string }>('POST', 'services', {
  name: 'memory',
  upstream: { kind: 'process', command: process.execPath, args: [program] },
})
const { id, key } = await manage<{ id: string; key: string }>('POST', 'keys', {
  name: 'alice',
  scopes: ['services:use'],
  allowedServices: ['memory/read_graph'],
})

const client = new Client({ name: 'example', version: '1.0.0' })
await client.connect(
  new StreamableHTTPClientTransport(new URL(`${PORTICO_URL}/mcp/memory`), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  }),
)
const { tools } = await client.listTools()
console.log('alice may call', tools.map(({ name }) => name).join(', '))
assert.deepEqual(
  tools.map(({ name }) => name),
  ['read_graph'],
)
const graph = await client.callTool({ name: 'read_graph', arguments: {} })
console.log('the graph:', JSON.stringify(graph.structuredContent))
await client.close()

await manage('DELETE', `keys/${id}`)
await manage('DELETE', `services/${service.id}`)

async function manage<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(`${PORTICO_URL}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${PORTICO_KEY}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  assert(answer.ok, `${method} ${path}: ${answer.status}`)
  return (answer.status === 204 ? undefined : await answer.json()) as Answer
}
