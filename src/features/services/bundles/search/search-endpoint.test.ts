import { expect, test, vi } from 'vitest'
import { createTestBundle } from '../../../../../test/support/bundle.ts'
import { createFakeEndpoint, type FakeService } from '../../../../../test/support/fake-endpoint.ts'
import { openRelayClient, type Heard } from '../../../../../test/support/relay-client.ts'
import type { JsonObject } from '../../wire/json.ts'
import { makeNotification, makeRequest, makeResult } from '../../wire/rpc-message.ts'
import { createSearchEndpoint } from './search-endpoint.ts'

const files: FakeService = {
  name: 'files',
  tools: [
    { name: 'read_file', description: 'Reads a file.', inputSchema: { type: 'object', x: [1] } },
    { name: 'write_file', description: 'Writes a file.', annotations: {} },
    { name: 'weather', title: 'Forecast' },
  ],
  prompts: [{ name: 'p' }],
}

function open(service: FakeService, era: 'legacy' | 'modern' = 'legacy') {
  const fake = createFakeEndpoint(service)
  const endpoint = createSearchEndpoint(fake.endpoint)
  return { fake, client: openRelayClient(endpoint, { era }) }
}

function find(query: unknown, more: JsonObject = {}): JsonObject {
  return { name: 'find_tools', arguments: { query, ...more } }
}

function foundIn({ result }: Heard): JsonObject {
  const content = result?.['content'] as { text: string }[]
  expect(JSON.parse(content[0]?.text ?? '')).toEqual(result?.['structuredContent'])
  return result?.['structuredContent'] as JsonObject
}

test('two tools are shown, whatever there is behind', async () => {
  const { client } = open(files, 'modern')
  await using _ = client
  const { result } = await client.call('tools/list')
  expect(result).toMatchObject({
    tools: [{ name: 'find_tools' }, { name: 'call_tool' }],
    resultType: 'complete',
    cacheScope: 'private',
  })
  expect((await client.call('tools/list', { cursor: 'x' })).error?.code).toBe(-32602)
})

test('tools are found with all that is needed to call them, and what that costs', async () => {
  const { client } = open(files)
  await using _ = client
  const found = foundIn(await client.call('tools/call', find('read')))
  expect(found).toEqual({
    tools: [
      {
        name: 'read_file',
        description: 'Reads a file.',
        inputSchema: { type: 'object', x: [1] },
        score: expect.any(Number) as number,
        tokens: expect.any(Number) as number,
      },
    ],
    matching: 1,
    total: 3,
  })
  const some = foundIn(await client.call('tools/call', find('a file', { limit: 1 })))
  expect(some).toMatchObject({ tools: [{ name: 'read_file' }], matching: 2 })
  expect(foundIn(await client.call('tools/call', find('')))['tools']).toHaveLength(3)
})

test('a search that makes no sense is told to the model as such', async () => {
  const { client } = open(files)
  await using _ = client
  for (const params of [find(7), find('x', { limit: 0 }), find('x', { limit: 'all' })]) {
    expect((await client.call('tools/call', params)).result).toMatchObject({ isError: true })
  }
  const call = { name: 'call_tool', arguments: { name: 'weather', arguments: 'text' } }
  expect((await client.call('tools/call', call)).result).toMatchObject({ isError: true })
})

test('a tool is called with what it was given to the letter, and its result is not touched', async () => {
  const result = { content: [], isError: true, odd: { n: 1 } }
  const { client, fake } = open({ ...files, answers: { 'tools/call': () => result } })
  await using _ = client
  const inner = { path: '/a', list: [null] }
  const params = { name: 'call_tool', arguments: { name: 'read_file', arguments: inner } }
  expect((await client.call('tools/call', { ...params, requestState: 's' })).result).toEqual(result)
  expect(fake.asked('tools/call')).toEqual([
    { name: 'read_file', arguments: inner, requestState: 's' },
  ])
})

test('progress, questions and cancellation go through', async () => {
  const { client, fake } = open({
    ...files,
    answers: {
      'tools/call': ({ sink, call }) => {
        sink.onNotification(makeNotification('notifications/progress', { progress: 1 }))
        sink.onRequest(makeRequest('1', 'elicitation/create', {}), () =>
          sink.onResponse(makeResult(call.request.id, { content: [] })),
        )
        return 'pending'
      },
    },
  })
  await using _ = client
  const params = { name: 'call_tool', arguments: { name: 'weather' } }
  const call = client.start('tools/call', params)
  await call.hear(2)
  call.requests[0]?.respond(makeResult('1', {}))
  expect((await call.answer).result).toEqual({ content: [] })
  client.start('tools/call', params, 'mine')
  await vi.waitFor(() => expect(fake.asked('tools/call')).toHaveLength(2))
  client.notify('notifications/cancelled', { requestId: 'mine' })
  expect(fake.relay.cancelled).toContain('"mine"')
})

test('a search that is given up ends, and asks no more', async () => {
  const { client, fake } = open({ ...files, mood: 'silent' })
  await using _ = client
  client.start('tools/call', find('x'), 'first')
  const second = client.start('tools/call', find('x'), 'second')
  await vi.waitFor(() => expect(fake.asked('tools/list')).toHaveLength(2))
  client.notify('notifications/cancelled', { requestId: 'first' })
  second.running.cancel()
  expect(fake.relay.cancelled).toHaveLength(2)
})

test('everything else passes, and there are tools whatever the server says', async () => {
  const { client } = open({ name: 'bare', prompts: [{ name: 'p' }], instructions: 'Hi.' })
  await using _ = client
  expect((await client.call('initialize')).result).toEqual({
    capabilities: { prompts: {}, tools: {} },
    instructions: 'Hi.',
  })
  expect((await client.call('prompts/list')).result).toEqual({ prompts: [{ name: 'p' }] })
  expect((await client.call('tools/call', { name: 'own' })).result).toMatchObject({
    content: [{ text: 'bare: own' }],
  })
})

test('a bundle in mode search finds the tools of all members and calls them by name', async () => {
  const fakes = ['one', 'two'].map((name) => createFakeEndpoint({ ...files, name }))
  fakes.push(createFakeEndpoint({ name: 'dead', mood: 'dead' }))
  const { endpoint } = createTestBundle(fakes, { mode: 'search' })
  expect(createSearchEndpoint(endpoint)).toBe(endpoint)
  await using client = openRelayClient(endpoint)
  const found = foundIn(await client.call('tools/call', find('read')))
  expect(found).toMatchObject({
    tools: [{ name: 'read_file' }, { name: 'two__read_file' }],
    total: 6,
    omitted: [{ service: 'dead', code: 'service_failed' }],
  })
  const params = { name: 'call_tool', arguments: { name: 'two__read_file', arguments: {} } }
  expect((await client.call('tools/call', params)).result).toMatchObject({
    content: [{ text: 'two: read_file' }],
  })
})
