import { expect, test, vi } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import { createFakeEndpoint, type FakeService } from '../../../../test/support/fake-endpoint.ts'
import { openRelayClient } from '../../../../test/support/relay-client.ts'
import { makeNotification, makeRequest, makeResult } from '../wire/rpc-message.ts'

function bundleOf(services: readonly FakeService[], settings = {}, listDeadlineMs = 5000) {
  const fakes = services.map(createFakeEndpoint)
  const bundle = createTestBundle(fakes, settings, listDeadlineMs)
  return { bundle, endpoint: bundle.endpoint, fakes }
}

function textOf(answer: { result?: unknown }): unknown {
  return (answer.result as { content: { text: string }[] } | undefined)?.content[0]?.text
}

const two = [
  { name: 'one', tools: [{ name: 'a' }, { name: 'same' }], prompts: [{ name: 'p' }] },
  { name: 'two', tools: [{ name: 'b' }, { name: 'same' }], prompts: [{ name: 'p' }] },
]

test('a call finds its member before any list was asked for, under the name that it knows', async () => {
  const { endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint)
  const params = { name: 'two__same', arguments: { n: 1 }, _meta: { progressToken: 7 } }
  expect(textOf(await client.call('tools/call', params))).toBe('two: same')
  expect(fakes[1]?.asked('tools/call')).toEqual([{ ...params, name: 'same' }])
  expect(fakes[0]?.asked('tools/call')).toEqual([])
  expect(textOf(await client.call('tools/call', { name: 'same' }))).toBe('one: same')
})

test('what the transport knows of a call goes with it', async () => {
  const { endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint, { era: 'modern' })
  await client.call('tools/list')
  const request = makeRequest('1', 'tools/call', { name: 'b' })
  const answered = Promise.withResolvers<unknown>()
  const sink = { onNotification() {}, onRequest() {}, onFailure() {}, onResponse: answered.resolve }
  client.relay.request({ request, requestId: 'req_9', paramHeaders: ['mcp-param-x', '1'] }, sink)
  await answered.promise
  const call = fakes[1]?.relay.calls.at(-1)
  expect(call).toMatchObject({ requestId: 'req_9', paramHeaders: ['mcp-param-x', '1'] })
})

test('a later round of a modern call goes to the same member, with all that is in it', async () => {
  const { endpoint, fakes } = bundleOf(two)
  const params = {
    name: 'two__same',
    inputResponses: { k: { action: 'accept' } },
    requestState: 's',
  }
  await using client = openRelayClient(endpoint, { era: 'modern' })
  await client.call('tools/call', params)
  expect(fakes[1]?.asked('tools/call')).toMatchObject([{ ...params, name: 'same' }])
})

test('a modern client that left nothing open is not made to wait for lists again', async () => {
  const { endpoint, fakes } = bundleOf(two)
  for (const name of ['a', 'b', 'two__same']) {
    await using client = openRelayClient(endpoint, { era: 'modern' })
    await client.call('tools/call', { name })
  }
  expect(fakes[0]?.asked('tools/list')).toHaveLength(1)
})

test('names are looked up anew once members have changed', async () => {
  const { bundle, endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint)
  await client.call('tools/call', { name: 'a' })
  fakes[0]!.service.tools = [{ name: 'b' }]
  bundle.changed()
  expect(textOf(await client.call('tools/call', { name: 'b' }))).toBe('one: b')
  expect((await client.call('tools/call', { name: 'a' })).error?.code).toBe(-32602)
})

test('unknown names are errors that say so, and do not make the members list again at once', async () => {
  const { bundle, endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint)
  for (let time = 0; time < 5; time += 1) {
    const { error } = await client.call('tools/call', { name: 'nope' })
    expect(error).toEqual({ code: -32602, message: 'Unknown tool: nope' })
  }
  expect(fakes[0]?.asked('tools/list')).toHaveLength(1)
  fakes[0]!.service.tools = [{ name: 'nope' }]
  bundle.clock.advance(1001)
  expect(textOf(await client.call('tools/call', { name: 'nope' }))).toBe('one: nope')
  const prompt = await client.call('prompts/get', { name: 'a' })
  expect(prompt.error).toMatchObject({ code: -32602, message: 'Unknown prompt: a' })
  expect((await client.call('tools/call', {})).error?.code).toBe(-32602)
})

test('a member that fails a call is named in the error, with a code', async () => {
  const { endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint)
  await client.call('tools/list')
  fakes[1]!.service.mood = 'dead'
  const { error } = await client.call('tools/call', { name: 'b' })
  expect(error?.message).toBe('Service two: The program does not run.')
  expect(error?.data).toMatchObject({ service: 'two', code: 'service_failed' })
})

test('the names of a member that is down stay its own', async () => {
  const { bundle, endpoint, fakes } = bundleOf(two)
  await using client = openRelayClient(endpoint)
  await client.call('tools/list')
  fakes[0]!.service.mood = 'dead'
  bundle.changed()
  const listed = await client.call('tools/list')
  expect(listed.result?.['tools']).toEqual([{ name: 'b' }, { name: 'two__same' }])
  const { error } = await client.call('tools/call', { name: 'same' })
  expect(error?.data).toMatchObject({ service: 'one' })
})

test('errors and results of a member are passed on as they are', async () => {
  const result = { content: [], isError: true, odd: 1 }
  const { endpoint } = bundleOf([
    { name: 'one', tools: [{ name: 'a' }], answers: { 'tools/call': () => result } },
  ])
  await using client = openRelayClient(endpoint)
  expect((await client.call('tools/call', { name: 'a' })).result).toEqual(result)
})

test('progress and questions of two calls with one id each reach the right one', async () => {
  const ask = ({ sink, call }: Parameters<NonNullable<FakeService['answers']>[string]>[0]) => {
    sink.onNotification(makeNotification('notifications/progress', { progressToken: 1 }))
    sink.onRequest(makeRequest('5', 'elicitation/create', {}), ({ bytes }) => {
      const { result } = JSON.parse(bytes.toString()) as { result: Record<string, unknown> }
      sink.onResponse(makeResult(call.request.id, result))
    })
    return 'pending' as const
  }
  const { endpoint } = bundleOf([
    { name: 'one', tools: [{ name: 'a' }], answers: { 'tools/call': ask } },
    { name: 'two', tools: [{ name: 'b' }], answers: { 'tools/call': ask } },
  ])
  await using client = openRelayClient(endpoint)
  const calls = ['a', 'b'].map((name) => client.start('tools/call', { name }, 1))
  for (const call of calls) expect(await call.hear(2)).toMatchObject({ id: 5 })
  for (const [index, call] of calls.entries()) {
    call.requests[0]?.respond(makeResult('5', { index }))
  }
  expect(await calls[0]?.answer).toMatchObject({ id: 1, result: { index: 0 } })
  expect(await calls[1]?.answer).toMatchObject({ id: 1, result: { index: 1 } })
})

const patient: FakeService = {
  name: 'slow',
  tools: [{ name: 'wait' }],
  answers: { 'tools/call': () => 'pending' },
}

test('a cancelled call is cancelled at its member, and at no other', async () => {
  const { endpoint, fakes } = bundleOf([...two, patient])
  await using client = openRelayClient(endpoint)
  await client.call('tools/list')
  client.start('tools/call', { name: 'wait' }, 'x')
  await vi.waitFor(() => expect(fakes[2]?.asked('tools/call')).toHaveLength(1))
  client.notify('notifications/cancelled', { requestId: 'x' })
  expect(fakes[2]?.relay.cancelled).toEqual(['"x"'])
  expect(fakes.map(({ relay }) => relay.notifications.length)).toEqual([0, 0, 1])

  const second = client.start('tools/call', { name: 'wait' }, 'y')
  await vi.waitFor(() => expect(fakes[2]?.asked('tools/call')).toHaveLength(2))
  second.running.cancel('enough')
  expect(fakes[2]?.relay.cancelled).toEqual(['"x"', '"y"'])
})

test('what is under way when the client goes is cancelled, and everything is closed', async () => {
  const { bundle, endpoint, fakes } = bundleOf([...two, patient])
  const client = openRelayClient(endpoint)
  await client.call('tools/list')
  client.start('tools/call', { name: 'wait' }, 'x')
  await vi.waitFor(() => expect(fakes[2]?.asked('tools/call')).toHaveLength(1))
  await client[Symbol.asyncDispose]()
  expect(fakes[2]?.relay.cancelled).toEqual(['"x"'])
  expect(fakes.map(({ relay }) => relay.isClosed)).toEqual([true, true, true])
  expect(bundle.watchers).toBe(0)
})

test('a member that is lost fails the call under way, and is there again for the next', async () => {
  const { endpoint, fakes } = bundleOf([...two, patient])
  await using client = openRelayClient(endpoint)
  await client.call('tools/list')
  client.notify('notifications/initialized')
  await client.call('logging/setLevel', { level: 'info' })
  const call = client.start('tools/call', { name: 'wait' })
  await vi.waitFor(() => expect(fakes[2]?.asked('tools/call')).toHaveLength(1))
  const before = fakes[2]?.relay
  before?.lose()
  expect((await call.answer).error?.data).toMatchObject({
    service: 'slow',
    code: 'upstream_failed',
  })
  await vi.waitFor(() => expect(before?.isClosed).toBe(true))

  fakes[2]!.service.answers = {}
  expect(textOf(await client.call('tools/call', { name: 'wait' }))).toBe('slow: wait')
  expect(fakes[2]?.relays).toHaveLength(2)
  expect(fakes[2]?.relay.notifications.map(({ method }) => method)).toEqual([
    'notifications/initialized',
  ])
  expect(fakes[2]?.asked('logging/setLevel')).toEqual([{ level: 'info' }, { level: 'info' }])
  expect(fakes[0]?.relays).toHaveLength(1)
})

test('a member that opens late hears what the client has said, those that are open at once', async () => {
  const { bundle, endpoint, fakes } = bundleOf(two)
  bundle.members = bundle.members.slice(0, 1)
  await using client = openRelayClient(endpoint)
  await client.call('tools/list')
  client.notify('notifications/initialized')
  client.notify('notifications/roots/list_changed')
  expect((await client.call('logging/setLevel', { level: 'error' })).result).toEqual({})
  expect((await client.call('logging/setLevel', { level: 'loud' })).error?.code).toBe(-32602)
  expect(fakes[0]?.relay.notifications).toHaveLength(2)
  bundle.members = createTestBundle(fakes).members
  bundle.changed()
  await client.call('tools/list')
  expect(fakes[1]?.relay.notifications).toHaveLength(1)
  expect(fakes[1]?.asked('logging/setLevel')).toEqual([{ level: 'error' }])
})

test('completion goes by the prompt or the resource that it is for', async () => {
  const { endpoint, fakes } = bundleOf([
    ...two,
    { name: 'files', templates: [{ uriTemplate: 'file:///{+path}' }] },
  ])
  await using client = openRelayClient(endpoint)
  const argument = { name: 'x', value: '' }
  await client.call('completion/complete', {
    ref: { type: 'ref/prompt', name: 'two__p' },
    argument,
  })
  expect(fakes[1]?.asked('completion/complete')).toEqual([
    { ref: { type: 'ref/prompt', name: 'p' }, argument },
  ])
  for (const uri of ['file:///{+path}', 'file:///a/b']) {
    await client.call('completion/complete', { ref: { type: 'ref/resource', uri }, argument })
  }
  expect(fakes[2]?.asked('completion/complete')).toHaveLength(2)
  const odd = await client.call('completion/complete', { ref: { type: 'other' }, argument })
  expect(odd.error?.code).toBe(-32602)
})

test('methods of the other era, and unknown ones with several members, do not exist', async () => {
  const { endpoint } = bundleOf(two)
  await using legacy = openRelayClient(endpoint)
  await using modern = openRelayClient(endpoint, { era: 'modern' })
  const missing = [
    await legacy.call('server/discover'),
    await legacy.call('subscriptions/listen'),
    await legacy.call('vendor/method'),
    await modern.call('ping'),
    await modern.call('initialize'),
    await modern.call('resources/subscribe', { uri: 'a:b' }),
  ]
  expect(missing.map(({ error }) => error?.code)).toEqual(missing.map(() => -32601))
  expect((await legacy.call('ping')).result).toEqual({})
})

test('an unknown method reaches the only member there is', async () => {
  const { endpoint, fakes } = bundleOf([
    { name: 'one', answers: { 'vendor/method': () => ({ done: true }) } },
  ])
  await using client = openRelayClient(endpoint)
  expect((await client.call('vendor/method', { x: 1 })).result).toEqual({ done: true })
  expect(fakes[0]?.asked('vendor/method')).toEqual([{ x: 1 }])
})

test('no member is told that the client knows tasks, because their ids do not lead back to it', async () => {
  const extension = 'io.modelcontextprotocol/tasks'
  const { endpoint, fakes } = bundleOf(two)
  const capabilities = { extensions: { [extension]: {}, 'x/y': {} }, roots: {} }
  await using client = openRelayClient(endpoint, { era: 'modern', capabilities })
  await client.call('tools/call', { name: 'a' })
  const told = { extensions: { 'x/y': {} }, roots: {} }
  expect(fakes[0]?.relay.profile.capabilities).toEqual(told)
  const key = 'io.modelcontextprotocol/clientCapabilities'
  for (const { _meta: meta } of [
    ...(fakes[0]?.asked('tools/call') ?? []),
    ...(fakes[0]?.asked('tools/list') ?? []),
  ]) {
    expect((meta as Record<string, unknown>)[key]).toEqual(told)
  }
})
