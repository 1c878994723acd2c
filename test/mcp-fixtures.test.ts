import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { expect, test } from 'vitest'
import { startLines } from './support/json-lines.ts'
import type { LineProgram, Message } from './support/json-lines.ts'
import {
  misbehaving,
  realServer,
  startEverything,
  startFixture,
  stdioFixture,
} from './support/mcp-fixture.ts'

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
}

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {}, roots: {} },
}

test('the legacy fixture serves a session over stdio, HTTP, HTTP+SSE and WebSocket alike', async () => {
  await using http = await startFixture('legacy')
  await using sse = await startFixture('legacy', 'sse')
  await using websocket = await startFixture('legacy', 'websocket')
  const { command, args } = stdioFixture('legacy')
  const answers = await Promise.all(
    [
      new StdioClientTransport({ command, args: [...args] }),
      new StreamableHTTPClientTransport(new URL(http.url)) as Transport,
      new SSEClientTransport(new URL(sse.url)),
      new WebSocketClientTransport(new URL(websocket.url)),
    ].map(sampleAndList),
  )
  expect(answers[0]).toMatchObject({ said: 'LLM response: Blue' })
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
})

test('the dual fixture speaks both eras on one stdio', async () => {
  await using program = startLines(stdioFixture('dual'))
  const discovered = await askModern(program, 1, 'server/discover')
  expect(discovered['result']).toMatchObject({ supportedVersions: ['2026-07-28'] })
  const initialized = await program.ask(2, 'initialize', initialize)
  expect(initialized['result']).toMatchObject({ protocolVersion: '2025-11-25' })
  const modern = (await askModern(program, 3, 'tools/list'))['result'] as Message
  const legacy = (await program.ask(4, 'tools/list'))['result'] as Message
  expect(modern['tools']).toEqual(legacy['tools'])
})

test('the modern fixture refuses initialize on stdio and names its versions', async () => {
  await using program = startLines(stdioFixture('modern'))
  const { error } = await program.ask(1, 'initialize', initialize)
  expect(error).toMatchObject({
    code: -32_022,
    message: expect.stringContaining('2026-07-28') as string,
    data: { supported: ['2026-07-28'] },
  })
})

test('the modern fixture asks in rounds on stdio and refuses a state that is not its own', async () => {
  await using program = startLines(stdioFixture('modern'))
  const name = 'test_input_required_result_request_state'
  const first = await askModern(program, 1, 'tools/call', { name })
  const { inputRequests, requestState } = first['result'] as Message
  expect(Object.keys(inputRequests as object)).toEqual(['confirm'])
  const inputResponses = { confirm: { action: 'accept', content: { ok: true } } }
  const second = await askModern(program, 2, 'tools/call', { name, inputResponses, requestState })
  expect(JSON.stringify(second['result'])).toContain('state-ok')
  const forged = { name, inputResponses, requestState: `${String(requestState)}x` }
  const third = await askModern(program, 3, 'tools/call', forged)
  expect(third['error']).toMatchObject({ code: -32_602 })
})

test('the modern fixture tells a listener on stdio what it asked for, until that is cancelled', async () => {
  await using program = startLines(stdioFixture('modern'))
  const params = { _meta: modernMeta, notifications: { toolsListChanged: true } }
  program.send({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params })
  await program.receive(({ method }) => method === 'notifications/subscriptions/acknowledged')
  await askModern(program, 1, 'tools/call', { name: 'test_trigger_prompt_change' })
  await askModern(program, 2, 'tools/call', { name: 'test_trigger_tool_change' })
  const isChange = ({ method }: Message) => String(method).endsWith('list_changed')
  expect(await program.receive(isChange)).toMatchObject({
    method: 'notifications/tools/list_changed',
    params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } },
  })
})

test('the misbehaving server makes noise, keeps state, counts cancellations and asks', async () => {
  await using noisy = startLines(misbehaving('noise'))
  await noisy.ask(1, 'initialize', initialize)
  expect(noisy.noise).toContain('[1, 2')

  await using counter = startLines(misbehaving('counter'))
  await call(counter, 1, 'count')
  expect(await call(counter, 2, 'count')).toContain('\\"count\\":2')

  await using slow = startLines(misbehaving('slow-call'))
  const waiting = { name: 'wait', arguments: { ms: 60_000 } }
  slow.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: waiting })
  slow.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })
  expect(await call(slow, 2, 'cancelled')).toContain('"1"')

  await using asking = startLines(misbehaving('ask'))
  const asked = { name: 'ask', arguments: { message: 'Who?' } }
  const answered = asking.ask(1, 'tools/call', asked)
  const { id } = await asking.receive(({ method }) => method === 'elicitation/create')
  asking.send({ jsonrpc: '2.0', id, result: { action: 'accept', content: { answer: 'Me' } } })
  expect(JSON.stringify(await answered)).toMatch(/Who\?.*Me/)

  await using changing = startLines(misbehaving('changing'))
  await call(changing, 1, 'change')
  await changing.receive(({ method }) => method === 'notifications/tools/list_changed')
})

test('the misbehaving server ends on a call, and on a request before initialize', async () => {
  await using onCall = startLines(misbehaving('exit-on-call'))
  onCall.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } })
  expect(await onCall.ended()).toBe(3)
  await using onProbe = startLines(misbehaving('exit-on-probe'))
  onProbe.send({ jsonrpc: '2.0', id: 1, method: 'server/discover' })
  expect(await onProbe.ended()).toBe(4)
})

test('the real servers answer, and those that listen do so on loopback', async () => {
  await using memory = startLines(realServer('memory'))
  await memory.ask(1, 'initialize', initialize)
  await using sse = await startEverything('sse')
  await using http = await startEverything('streamableHttp')
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new SSEClientTransport(new URL(sse.url)))
  expect((await client.listTools()).tools.length).toBeGreaterThan(10)
  await client.close()
  expect((await fetch(http.url)).status).toBe(400)
})

async function sampleAndList(transport: Transport): Promise<object> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { sampling: {} } })
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'test',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'Blue' },
  }))
  await client.connect(transport)
  const result = await client.callTool({ name: 'test_sampling', arguments: { prompt: 'Color?' } })
  const { tools } = await client.listTools()
  await client.close()
  const [block] = result.content as { text: string }[]
  return { said: block?.text, tools: tools.map(({ name }) => name) }
}

function askModern(
  program: LineProgram,
  id: number,
  ...[method, params]: [string, object?]
): Promise<Message> {
  return program.ask(id, method, { ...params, _meta: modernMeta })
}

async function call(program: LineProgram, id: number, name: string): Promise<string> {
  return JSON.stringify(await program.ask(id, 'tools/call', { name }))
}
