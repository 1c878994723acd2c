import { Client as ClientV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import {
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { porticoEntry } from './support/connect-servers.ts'
import { stdioFixture } from './support/mcp-fixture.ts'
import { textIn } from './support/mcp-gateway.ts'
import { createHome, startProcess } from './support/portico-process.ts'
import type { PorticoProcess } from './support/portico-process.ts'

const elicited = { action: 'accept' as const, content: { name: 'Ada' } }
const greet = { name: 'test_input_required_result_elicitation', arguments: {} }
let scope: AsyncDisposableStack
let portico: PorticoProcess
let key: string

beforeAll(async () => {
  scope = new AsyncDisposableStack()
  portico = scope.use(await startProcess(scope.use(await createHome())))
  for (const form of ['legacy', 'modern'] as const) {
    const upstream = { kind: 'process', ...stdioFixture(form) }
    await portico.ask('POST', '/api/services', { body: { name: form, upstream } })
  }
  const created = await portico.ask('POST', '/api/keys', {
    body: { name: 'agent', scopes: ['services:use'] },
  })
  key = ((await created.json()) as { key: string }).key
})

afterAll(() => scope.disposeAsync())

/** How a client that only knows programs is told to reach a service. */
function connecting(service: string) {
  const args = [porticoEntry, 'connect', service, '--url', portico.url]
  return {
    command: process.execPath,
    args,
    env: { PATH: process.env['PATH'] ?? '', PORTICO_KEY: key },
  }
}

test.each(['legacy', 'modern'])(
  'a client of SDK 1 uses a %s service as a program of its own',
  async (service) => {
    const client = new ClientV1({ name: 'v1', version: '1' }, { capabilities: { elicitation: {} } })
    client.setRequestHandler(ElicitRequestSchema, () => elicited)
    const changed = vi.fn<() => void>()
    client.setNotificationHandler(ToolListChangedNotificationSchema, changed)
    await client.connect(new StdioV1(connecting(service)))
    await using _ = { [Symbol.asyncDispose]: () => client.close() }
    expect((await client.listTools()).tools.length).toBeGreaterThan(20)
    expect(textIn(await client.callTool(greet))).toBe('Hello, Ada!')
    const seen: number[] = []
    const progress = { name: 'test_tool_with_progress', arguments: {} }
    await client.callTool(progress, undefined, { onprogress: (step) => seen.push(step.progress) })
    expect(seen.slice(0, 2)).toEqual([0, 50])
    await vi.waitFor(async () => {
      await client.callTool({ name: 'test_trigger_tool_change', arguments: {} })
      expect(changed).toHaveBeenCalled()
    }, 8_000)
  },
)

test.each([
  ['legacy', 'legacy', 'legacy'],
  ['legacy', 'modern', 'auto'],
  ['modern', 'modern', 'auto'],
  ['modern', 'legacy', 'legacy'],
] as const)(
  'a client of SDK 2 uses a %s service in the %s era, negotiating as %s',
  async (service, era, mode) => {
    const options = { capabilities: { elicitation: {} }, versionNegotiation: { mode } }
    const client = new ClientV2({ name: 'v2', version: '1' }, options)
    client.setRequestHandler('elicitation/create', () => elicited)
    await client.connect(new StdioV2(connecting(service)))
    await using _ = { [Symbol.asyncDispose]: () => client.close() }
    expect(client.getProtocolEra()).toBe(era)
    expect((await client.listTools()).tools.length).toBeGreaterThan(20)
    expect(textIn(await client.callTool(greet))).toBe('Hello, Ada!')
  },
)

test('everything together is reached by its name as well, and a wrong key is told as an error', async () => {
  const bundle = { name: 'kit', members: [{ service: 'legacy' }, { service: 'modern' }] }
  await portico.ask('POST', '/api/bundles', { body: bundle })
  const client = new ClientV2({ name: 'v2', version: '1' })
  await client.connect(new StdioV2(connecting('kit')))
  await using _ = { [Symbol.asyncDispose]: () => client.close() }
  const names = (await client.listTools()).tools.map(({ name }) => name)
  expect(names).toContain('modern__test_simple_text')
  const { env, ...command } = connecting('kit')
  const stranger = new ClientV2({ name: 'v2', version: '1' })
  const refused = stranger.connect(new StdioV2({ ...command, env: { ...env, PORTICO_KEY: 'no' } }))
  await expect(refused).rejects.toThrow('key')
  await stranger.close()
})
