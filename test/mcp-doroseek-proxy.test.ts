import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { describe, expect, test } from 'vitest'
import { hasBubblewrap } from './support/bubblewrap.ts'
import { startFixture } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import type { McpGateway } from './support/mcp-gateway.ts'

interface Refusal {
  readonly status: number
  readonly error: string
}

function urlOf(
  { portico }: McpGateway,
  apiKey: string,
  query: Readonly<Record<string, string>>,
): string {
  const search = new URLSearchParams({ apiKey, ...query })
  return `${portico.url}/mcp/proxy/sse?${search.toString()}`
}

async function refusal(url: string, headers: Record<string, string> = {}): Promise<Refusal> {
  const answer = await fetch(url, { headers })
  const { error } = (await answer.json()) as { error: string }
  return { status: answer.status, error }
}

async function connect(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new SSEClientTransport(new URL(url)))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

/** A server in one line, because a sandbox shows no file of this machine; its tool says what it can see. */
const source = [
  'console.error("inline is up")',
  'const saw = { chosen: process.env.CHOSEN, admin: process.env.PORTICO_ADMIN_KEY ?? null, file: require("fs").existsSync(process.argv[1]) }',
  'const answers = { initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "inline", version: "1" } }), "tools/call": () => ({ content: [{ type: "text", text: JSON.stringify(saw) }] }) }',
  'const take = ({ id, method, params }) => id === undefined || console.log(JSON.stringify({ jsonrpc: "2.0", id, result: answers[method](params) }))',
  'require("readline").createInterface({ input: process.stdin }).on("line", (line) => take(JSON.parse(line)))',
].join(';')
const argv = [process.execPath, '-e', source, import.meta.filename]
const inline = {
  transport: 'stdio',
  command: process.execPath,
  args: `-e '${source}' ${import.meta.filename}`,
  env: '{"CHOSEN":"by the request"}',
}

interface Waiting {
  readonly id: string
}

async function commandsOf({ portico }: McpGateway): Promise<Waiting[]> {
  return (await portico.api<{ commands: Waiting[] }>('GET', '/api/services/commands')).commands
}

describe('transport=sse', () => {
  test('a private address is refused, unless the key may run commands', async () => {
    await using gateway = await startMcpGateway()
    await using fixture = await startFixture('legacy', 'sse')
    const query = { transport: 'sse', url: fixture.url }
    expect(await refusal(urlOf(gateway, gateway.key, query))).toEqual({
      status: 400,
      error: 'The destination may not be reached.',
    })
    const { key } = await gateway.portico.createKey({
      scopes: ['services:use', 'services:run-command'],
      allowQuery: true,
    })
    await using client = await connect(urlOf(gateway, key, query))
    expect(textIn(await client.callTool({ name: 'test_simple_text', arguments: {} }))).toBe(
      'This is a simple text response for testing.',
    )
  })

  test('what is neither stdio nor sse is refused as the wire says it', async () => {
    await using gateway = await startMcpGateway()
    const { status, error } = await refusal(urlOf(gateway, gateway.key, { transport: 'carrier' }))
    expect([status, error]).toEqual([400, 'Invalid transport type specified'])
  })
})

describe('transport=stdio', () => {
  test('S49 a command runs only once it has been approved, and is then what was approved', async () => {
    await using gateway = await startMcpGateway({ 'services.allowUnsandboxed': !hasBubblewrap })
    const url = urlOf(gateway, gateway.key, inline)
    expect((await refusal(url)).status).toBe(403)
    const commands = await commandsOf(gateway)
    expect(commands).toMatchObject([{ argv, envNames: ['CHOSEN'], state: 'pending' }])
    await gateway.portico.api('POST', `/api/services/commands/${commands[0]?.id}/approve`)
    const client = new Client({ name: 'agent', version: '1' })
    const notices: unknown[] = []
    client.fallbackNotificationHandler = async (notification) => void notices.push(notification)
    await client.connect(new SSEClientTransport(new URL(url)))
    await using _ = { [Symbol.asyncDispose]: () => client.close() }
    expect(client.getServerVersion()).toEqual({ name: 'inline', version: '1' })
    const saw = textIn(await client.callTool({ name: 'see', arguments: {} }))
    expect(JSON.parse(saw)).toEqual({
      chosen: 'by the request',
      admin: null,
      file: !hasBubblewrap,
    })
    expect(notices).toMatchObject([
      { method: 'notifications/stderr', params: { content: 'inline is up' } },
    ])
    const other = urlOf(gateway, gateway.key, { ...inline, args: `${inline.args} --other` })
    expect((await refusal(other)).status).toBe(403)
  })

  test('a command that was rejected stays refused', async () => {
    await using gateway = await startMcpGateway({ 'services.allowUnsandboxed': true })
    const url = urlOf(gateway, gateway.key, inline)
    await refusal(url)
    const [waiting] = await commandsOf(gateway)
    await gateway.portico.api('POST', `/api/services/commands/${waiting?.id}/reject`)
    expect((await refusal(url)).status).toBe(403)
  })

  test('S50 nothing runs for a page of another origin, however the key got there', async () => {
    await using gateway = await startMcpGateway({ 'services.adhoc': 'admin' })
    const { key } = await gateway.portico.createKey({
      scopes: ['services:use', 'services:run-command'],
      allowQuery: true,
    })
    const url = urlOf(gateway, key, inline)
    const foreign = await refusal(url, { origin: 'https://evil.example' })
    expect(foreign.status).toBe(403)
    expect((await refusal(url, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect(gateway.portico.logged).not.toContain(key)
  })

  test('switched off, it is off for everybody', async () => {
    await using gateway = await startMcpGateway({ 'services.adhoc': 'off' })
    const { key } = await gateway.portico.createKey({ scopes: ['admin'], allowQuery: true })
    const { status, error } = await refusal(urlOf(gateway, key, inline))
    expect([status, error]).toEqual([403, 'Commands from requests are switched off.'])
  })
})
