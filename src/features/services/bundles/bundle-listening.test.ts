import { expect, test, vi } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import { createFakeEndpoint } from '../../../../test/support/fake-endpoint.ts'
import { createListeningSink, openRelayClient } from '../../../../test/support/relay-client.ts'
import { makeResult } from '../wire/rpc-message.ts'

async function listening(...names: string[]) {
  const fakes = names.map((name) => createFakeEndpoint({ name, tools: [{ name: `${name}-tool` }] }))
  const bundle = createTestBundle(fakes)
  const client = openRelayClient(bundle.endpoint)
  const { sink, call } = createListeningSink()
  const stop = client.relay.listen(sink)
  return {
    fakes,
    bundle,
    client,
    stop,
    ...call,
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

test('changes that come together are announced once for each list, one by one', async () => {
  await using stream = await listening('one', 'two')
  for (const { relay } of stream.fakes) {
    relay.send('notifications/tools/list_changed')
    relay.send('notifications/resources/list_changed')
    relay.send('notifications/tools/list_changed')
  }
  await stream.hear(2)
  stream.fakes[0]?.relay.send('notifications/prompts/list_changed')
  await stream.hear(3)
  expect(stream.heard.map(({ method }) => method)).toEqual([
    'notifications/tools/list_changed',
    'notifications/resources/list_changed',
    'notifications/prompts/list_changed',
  ])
})

test('a changed list is looked up anew, although nobody but the member knows', async () => {
  await using stream = await listening('one', 'two')
  const { client, fakes } = stream
  await client.call('tools/call', { name: 'two-tool' })
  fakes[1]!.service.tools = [{ name: 'one-tool' }]
  fakes[1]?.relay.send('notifications/tools/list_changed')
  const called = await client.call('tools/call', { name: 'two-tool' })
  expect(called.error?.message).toBe('Unknown tool: two-tool')
  const { result } = await client.call('tools/call', { name: 'two__one-tool' })
  expect(result).toMatchObject({ content: [{ text: 'two: one-tool' }] })
})

test('what else members send is passed on, log messages with the name of the service', async () => {
  await using stream = await listening('one', 'two')
  const [one, two] = stream.fakes
  one?.relay.send('notifications/resources/updated', { uri: 'a:b' })
  one?.relay.send('notifications/message', { level: 'info', data: 1 })
  two?.relay.send('notifications/message', { level: 'info', logger: 'db', data: 2 })
  await stream.hear(3)
  expect(stream.heard.map(({ params }) => params)).toEqual([
    { uri: 'a:b' },
    { level: 'info', data: 1, logger: 'one' },
    { level: 'info', data: 2, logger: 'two/db' },
  ])
})

test('questions of two members with one id are answered each on its own', async () => {
  await using stream = await listening('one', 'two')
  const answers: unknown[] = []
  for (const { relay, service } of stream.fakes) {
    relay.ask('1', 'roots/list', ({ bytes }) => {
      answers.push([service.name, JSON.parse(bytes.toString())])
    })
  }
  for (const [index, { respond }] of stream.requests.entries()) respond(makeResult('9', { index }))
  expect(answers).toEqual([
    ['one', { jsonrpc: '2.0', id: 9, result: { index: 0 } }],
    ['two', { jsonrpc: '2.0', id: 9, result: { index: 1 } }],
  ])
})

test('members that come are listened to, those that go are closed, and both are announced', async () => {
  await using stream = await listening('one')
  const { bundle, fakes } = stream
  const late = createFakeEndpoint({ name: 'late' })
  bundle.members = [{ name: 'late', endpoint: late.endpoint }]
  bundle.changed(['tools'])
  expect((await stream.hear(1)).method).toBe('notifications/tools/list_changed')
  await vi.waitFor(() => expect(fakes[0]?.relay.isClosed).toBe(true))
  late.relay.send('notifications/resources/updated', { uri: 'x:y' })
  expect((await stream.hear(2)).params).toEqual({ uri: 'x:y' })
})

test('a member that is lost is listened to again', async () => {
  await using stream = await listening('one')
  const [one] = stream.fakes
  one?.relay.lose()
  await expect.poll(() => one?.relays.length, { timeout: 5000 }).toBe(2)
  one?.relay.send('notifications/resources/updated', { uri: 'x:y' })
  expect((await stream.hear(1)).params).toEqual({ uri: 'x:y' })
})

test('after the stream has ended nobody is listened to', async () => {
  await using stream = await listening('one', 'two')
  stream.stop()
  expect(stream.fakes.map(({ relay }) => relay.isListenedTo)).toEqual([false, false])
})
