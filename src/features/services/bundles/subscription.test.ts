import { expect, test, vi } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import {
  createFakeEndpoint,
  type FakeEndpoint,
  type FakeService,
} from '../../../../test/support/fake-endpoint.ts'
import { openRelayClient } from '../../../../test/support/relay-client.ts'
import type { JsonObject } from '../wire/json.ts'

const idKey = 'io.modelcontextprotocol/subscriptionId'
const acknowledged = 'notifications/subscriptions/acknowledged'
const toolsChanged = 'notifications/tools/list_changed'
const tooling: FakeService = { name: 'one', tools: [] }
const reading: FakeService = { name: 'two', resources: [{ uri: 'b://1' }, { uri: 'b://2' }] }

function bundleOf(services: readonly FakeService[], listDeadlineMs = 5000) {
  const fakes = services.map(createFakeEndpoint)
  const bundle = createTestBundle(fakes, {}, listDeadlineMs)
  return { bundle, fakes, client: openRelayClient(bundle.endpoint, { era: 'modern' }) }
}

function filtersAsked(fake: FakeEndpoint | undefined): unknown[] {
  return fake?.asked('subscriptions/listen').map(({ notifications }) => notifications) ?? []
}

test('the streams of all members are acknowledged once, with the id of the client', async () => {
  const { client, fakes } = bundleOf([tooling, reading])
  await using _ = client
  const notifications = { toolsListChanged: true, resourceSubscriptions: ['b://1', 'unknown://x'] }
  const stream = client.start('subscriptions/listen', { notifications }, 'mine')
  expect(await stream.hear(1)).toMatchObject({
    method: acknowledged,
    params: {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['b://1', 'unknown://x'] },
      _meta: { [idKey]: 'mine' },
    },
  })
  expect(filtersAsked(fakes[0])).toEqual([{ toolsListChanged: true }])
  expect(filtersAsked(fakes[1])).toEqual([{ resourceSubscriptions: ['b://1', 'unknown://x'] }])
})

test('only what was asked for is passed on, and it has the id of the client', async () => {
  const { client, fakes } = bundleOf([tooling, reading])
  await using _ = client
  const notifications = { toolsListChanged: true, resourceSubscriptions: ['b://1'] }
  const stream = client.start('subscriptions/listen', { notifications }, 7)
  await stream.hear(1)
  for (const { relay } of fakes) {
    relay.send('notifications/prompts/list_changed')
    relay.send('notifications/resources/list_changed')
    relay.send('notifications/message', { level: 'info', data: 1 })
    relay.send('notifications/resources/updated', { uri: 'b://2' })
  }
  fakes[1]?.relay.send('notifications/resources/updated', { uri: 'b://1' })
  fakes[0]?.relay.send(toolsChanged)
  fakes[0]?.relay.send(toolsChanged)
  await stream.hear(3)
  expect(stream.heard.slice(1)).toMatchObject([
    { method: 'notifications/resources/updated', params: { uri: 'b://1', _meta: { [idKey]: 7 } } },
    { method: toolsChanged, params: { _meta: { [idKey]: 7 } } },
  ])
})

test('a kind of list that no member has is not granted', async () => {
  const { client } = bundleOf([tooling])
  await using _ = client
  const notifications = { toolsListChanged: true, promptsListChanged: true }
  const stream = client.start('subscriptions/listen', { notifications })
  const granted = (await stream.hear(1)).params?.['notifications']
  expect(granted).toEqual({ toolsListChanged: true })
})

test('neither a dead member nor a silent one holds the acknowledgement up for long', async () => {
  const { client } = bundleOf(
    [
      { ...tooling, name: 'dead', mood: 'dead' },
      { ...tooling, name: 'silent', mood: 'silent' },
      tooling,
    ],
    100,
  )
  await using _ = client
  const startedAt = performance.now()
  const stream = client.start('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const granted = (await stream.hear(1)).params?.['notifications']
  expect(granted).toEqual({ toolsListChanged: true })
  expect(performance.now() - startedAt).toBeLessThan(2000)
})

test('a member that comes back is a change of its lists', async () => {
  const { client, fakes } = bundleOf([{ ...tooling, mood: 'dead' }])
  await using _ = client
  const stream = client.start('subscriptions/listen', { notifications: { toolsListChanged: true } })
  await stream.hear(1)
  fakes[0]!.service.mood = 'well'
  expect((await stream.hear(2)).method).toBe(toolsChanged)
  fakes[0]?.relay.send(toolsChanged)
  expect((await stream.hear(3)).method).toBe(toolsChanged)
})

test('a member that is lost is subscribed to again, and its lists count as changed', async () => {
  const { client, fakes } = bundleOf([tooling])
  await using _ = client
  const stream = client.start('subscriptions/listen', { notifications: { toolsListChanged: true } })
  await stream.hear(1)
  fakes[0]?.relay.lose()
  expect((await stream.hear(2)).method).toBe(toolsChanged)
  expect(fakes[0]?.relays).toHaveLength(2)
  expect(filtersAsked(fakes[0])).toHaveLength(2)
})

test('members that come and go are told by a change of lists, and those that come are heard', async () => {
  const { client, bundle, fakes } = bundleOf([tooling])
  await using _ = client
  const stream = client.start('subscriptions/listen', { notifications: { toolsListChanged: true } })
  await stream.hear(1)
  const late = createFakeEndpoint({ name: 'late', tools: [] })
  bundle.members = [{ name: 'late', endpoint: late.endpoint }]
  bundle.changed()
  expect((await stream.hear(2)).method).toBe(toolsChanged)
  expect(fakes[0]?.relay.cancelled).toHaveLength(1)
  await vi.waitFor(() => expect(filtersAsked(late)).toHaveLength(1))
  const before = stream.heard.length
  late.relay.send(toolsChanged)
  expect((await stream.hear(before + 1)).method).toBe(toolsChanged)
})

test('two streams of one client each have their own filter', async () => {
  const { client, fakes } = bundleOf([reading])
  await using _ = client
  const [first, second] = ['b://1', 'b://2'].map((uri, index) => {
    const notifications = { resourceSubscriptions: [uri] }
    return client.start('subscriptions/listen', { notifications }, index)
  })
  await Promise.all([first?.hear(1), second?.hear(1)])
  fakes[0]?.relay.send('notifications/resources/updated', { uri: 'b://2' })
  fakes[0]?.relay.send('notifications/resources/updated', { uri: 'b://1' })
  expect((await first?.hear(2))?.params).toMatchObject({ uri: 'b://1', _meta: { [idKey]: 0 } })
  expect((await second?.hear(2))?.params).toMatchObject({ uri: 'b://2', _meta: { [idKey]: 1 } })
})

test('a client that goes ends the streams of the members', async () => {
  const { client, fakes } = bundleOf([tooling])
  await using _ = client
  const notifications = { toolsListChanged: true }
  const first = client.start('subscriptions/listen', { notifications }, 'first')
  const second = client.start('subscriptions/listen', { notifications }, 'second')
  await Promise.all([first.hear(1), second.hear(1)])
  first.running.cancel()
  client.notify('notifications/cancelled', { requestId: 'second' })
  expect(fakes[0]?.relay.cancelled).toHaveLength(2)
})

test('when the bundle is closed the stream ends in good order', async () => {
  const { client } = bundleOf([tooling])
  const notifications = { toolsListChanged: true }
  const stream = client.start('subscriptions/listen', { notifications }, 'mine')
  await stream.hear(1)
  await client[Symbol.asyncDispose]()
  const { id, result } = await stream.answer
  expect(id).toBe('mine')
  expect(result).toEqual({ resultType: 'complete', _meta: { [idKey]: 'mine' } })
})

test('a request that does not say what for is refused', async () => {
  const { client } = bundleOf([tooling])
  await using _ = client
  const uris = Array.from({ length: 1001 }, (_one, index) => `a:${index}`)
  const bad: JsonObject[] = [
    {},
    { notifications: { resourceSubscriptions: 'a' } },
    { notifications: { resourceSubscriptions: uris } },
  ]
  for (const params of bad) {
    expect((await client.call('subscriptions/listen', params)).error?.code).toBe(-32602)
  }
})
