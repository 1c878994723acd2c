import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { misbehaving, startFixture, stdioFixture } from './support/mcp-fixture.ts'
import type { FixtureForm } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import type { McpGateway } from './support/mcp-gateway.ts'
import { openClientV1, openClientV2 } from './support/mcp-sdk-clients.ts'

const answers = {
  elicitation: { name: 'Ada', color: 'green', response: 'fine', ok: true, context: 'cats' },
  sampling: 'Blue',
  roots: ['file:///work/portico'],
}

const servers: readonly (readonly [FixtureForm, 'stdio' | 'http'])[] = [
  ['legacy', 'stdio'],
  ['legacy', 'http'],
  ['modern', 'stdio'],
  ['modern', 'http'],
  ['dual', 'stdio'],
]

/** A gateway with the fixture behind it as the service `it`. */
async function startWith(form: FixtureForm, transport: 'stdio' | 'http'): Promise<McpGateway> {
  await using scope = new AsyncDisposableStack()
  const gateway = scope.use(await startMcpGateway())
  if (transport === 'stdio') await gateway.addProgram('it', stdioFixture(form))
  else await gateway.addRemote('it', scope.use(await startFixture(form)).url)
  const owned = scope.move()
  return { ...gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface Caller {
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<object>
}

/** Everything that a server can ask in the middle of a call. */
async function exerciseQuestions(client: Caller): Promise<void> {
  const call = async (name: string, args: Record<string, unknown> = {}) =>
    textIn(await client.callTool({ name, arguments: args }))
  expect(await call('test_elicitation', { message: 'How?' })).toContain('"response":"fine"')
  expect(await call('test_sampling', { prompt: 'Color?' })).toBe('LLM response: Blue')
  expect(await call('test_input_required_result_list_roots')).toContain('file:///work/portico')
  expect(await call('test_input_required_result_multiple_inputs')).toMatch(/^Ada: Blue .*portico/)
  expect(await call('test_input_required_result_multi_round')).toBe('Ada likes green')
  expect(await call('test_input_required_result_request_state')).toBe('state-ok')
}

describe.each(servers)('a %s server over %s', (form, transport) => {
  let gateway: McpGateway

  beforeAll(async () => {
    gateway = await startWith(form, transport)
  })

  afterAll(() => gateway[Symbol.asyncDispose]())

  test('asks clients with a session and clients without', async () => {
    await using legacy = await openClientV1({ ...gateway, path: '/it', answers })
    await exerciseQuestions(legacy as Caller)
    await using modern = await openClientV2({ ...gateway, path: '/it', answers })
    expect(modern.getProtocolEra()).toBe('modern')
    await exerciseQuestions(modern)
    const { messages } = await modern.getPrompt({ name: 'test_input_required_result_prompt' })
    expect(JSON.stringify(messages)).toContain('Context: cats')
  })

  test('tells listeners of both kinds of its changes, and logs as each wants it', async () => {
    await using legacy = await openClientV1({ ...gateway, path: '/it' })
    await using modern = await openClientV2({ ...gateway, path: '/it' })
    const heard = { legacy: vi.fn<() => void>(), modern: vi.fn<() => void>() }
    legacy.setNotificationHandler(ToolListChangedNotificationSchema, heard.legacy)
    modern.setNotificationHandler('notifications/tools/list_changed', heard.modern)
    await using _ = await listen(modern, { toolsListChanged: true })
    await vi.waitFor(async () => {
      await legacy.callTool({ name: 'test_trigger_tool_change', arguments: {} })
      expect(heard.legacy).toHaveBeenCalled()
      expect(heard.modern).toHaveBeenCalled()
    }, 8_000)

    const logged: unknown[] = []
    modern.setNotificationHandler('notifications/message', ({ params }) => {
      logged.push(params.data)
    })
    const call = { name: 'test_logging_tool', arguments: {} }
    await modern.callTool(call)
    expect(logged).toEqual([])
    const _meta = { 'io.modelcontextprotocol/logLevel': 'info' }
    await modern.callTool({ ...call, _meta })
    expect(logged).toEqual(['Logged by test_logging_tool'])
  })
})

test('a listener hears of exactly the resource that it named, from a server with subscriptions of sessions', async () => {
  await using gateway = await startWith('legacy', 'stdio')
  await using client = await openClientV2({ ...gateway, path: '/it' })
  const updated: string[] = []
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    updated.push(params.uri)
  })
  await using _ = await listen(client, { resourceSubscriptions: ['test://watched-resource'] })
  const update = (uri: string) =>
    client.callTool({ name: 'test_trigger_resource_update', arguments: { uri } })
  await update('test://static-text')
  await update('test://watched-resource')
  await vi.waitUntil(() => updated.length > 0, 8_000)
  expect(updated).toEqual(['test://watched-resource'])
})

test('a server is given the time to say its era, however little programs are given to end', async () => {
  await using gateway = await startMcpGateway({ 'processes.stopStdinMs': 1 })
  await gateway.addProgram('it', stdioFixture('modern'))
  expect(await gateway.toolNames('/it')).toContain('test_simple_text')
})

test('a client that cannot be asked gets an error that says so, of either kind of server', async () => {
  for (const form of ['legacy', 'modern'] as const) {
    await using gateway = await startWith(form, 'stdio')
    const call = { name: 'test_missing_capability', arguments: {} }
    await using modern = await openClientV2({ ...gateway, path: '/it' })
    await using legacy = await openClientV1({ ...gateway, path: '/it' })
    // One after the other: of two calls at once a shared server does not say which one it asks about.
    for (const client of [modern, legacy]) {
      const [outcome] = await Promise.allSettled([client.callTool(call)])
      expect(describeFailure(outcome)).toMatch(/sampling/i)
    }
  }
})

test('two clients with sessions are asked each their own question, though they share one server', async () => {
  await using gateway = await startMcpGateway()
  await gateway.addProgram('asking', misbehaving('ask'))
  const ask = async (answer: string) => {
    const options = { ...gateway, path: '/asking', answers: { elicitation: { answer } } }
    await using client = await openClientV2({ ...options, mode: 'legacy' })
    const asked = ['first', 'second'].map((message) =>
      client.callTool({ name: 'ask', arguments: { message } }),
    )
    return (await Promise.all(asked)).map(textIn)
  }
  const [mine, yours] = await Promise.all([ask('mine'), ask('yours')])
  for (const [texts, answer] of [
    [mine, 'mine'],
    [yours, 'yours'],
  ] as const) {
    expect(texts).toHaveLength(2)
    expect(texts?.[0]).toMatch(new RegExp(`first.*${answer}`))
    expect(texts?.[1]).toMatch(new RegExp(`second.*${answer}`))
  }
})

async function listen(
  client: Awaited<ReturnType<typeof openClientV2>>,
  filter: Parameters<typeof client.listen>[0],
): Promise<AsyncDisposable> {
  const subscription = await client.listen(filter)
  expect(subscription.honoredFilter).toEqual(filter)
  return { [Symbol.asyncDispose]: () => subscription.close() }
}

/** What a refused call says, whether as an error or as a result of the tool. */
function describeFailure(outcome: PromiseSettledResult<object>): string {
  return outcome.status === 'rejected' ? String(outcome.reason) : JSON.stringify(outcome.value)
}
