import { expect, test } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import { createFakeEndpoint, type FakeService } from '../../../../test/support/fake-endpoint.ts'
import { openRelayClient, type RelayClient } from '../../../../test/support/relay-client.ts'
import { ServiceFilter } from '../../../protocol/api/services.ts'

const one: FakeService = {
  name: 'one',
  resources: [{ uri: 'a://1' }, { uri: 'same://x' }],
  templates: [{ uriTemplate: 'user://{id}' }, { uriTemplate: 'both://{id}' }],
}
const two: FakeService = {
  name: 'two',
  resources: [{ uri: 'b://1' }, { uri: 'same://x' }, { uri: 'user://root' }],
  templates: [{ uriTemplate: 'file:///{+path}' }, { uriTemplate: 'both://{+any}' }],
}
const three: FakeService = { name: 'three', tools: [] }

function bundleOf(services: readonly FakeService[], listDeadlineMs = 5000) {
  const fakes = services.map(createFakeEndpoint)
  return { bundle: createTestBundle(fakes, {}, listDeadlineMs), fakes }
}

async function read(client: RelayClient, uri: string): Promise<unknown> {
  const { result, error } = await client.call('resources/read', { uri })
  return (result?.['contents'] as { text: string }[] | undefined)?.[0]?.text ?? error
}

test('a resource is read from the member that lists it, or whose template it matches', async () => {
  await using client = openRelayClient(bundleOf([one, two, three]).bundle.endpoint)
  expect(await read(client, 'a://1')).toBe('one')
  expect(await read(client, 'b://1')).toBe('two')
  expect(await read(client, 'user://7')).toBe('one')
  expect(await read(client, 'user://root')).toBe('two')
  expect(await read(client, 'file:///a/b.txt')).toBe('two')
})

test('a resource that two members could have is read from neither, and both are named', async () => {
  await using client = openRelayClient(bundleOf([one, two]).bundle.endpoint)
  for (const uri of ['same://x', 'both://y']) {
    expect(await read(client, uri)).toEqual({
      code: -32602,
      message: `Several services have the resource ${uri}: one, two.`,
      data: { uri, code: 'conflict', services: ['one', 'two'] },
    })
  }
})

test('an unknown resource is asked of the only member with resources, and of none of several', async () => {
  await using alone = openRelayClient(bundleOf([one, three]).bundle.endpoint)
  expect(await read(alone, 'other://x')).toBe('one')
  const { bundle } = bundleOf([one, two, three])
  await using legacy = openRelayClient(bundle.endpoint)
  expect(await read(legacy, 'other://x')).toMatchObject({ code: -32002 })
  await using modern = openRelayClient(bundle.endpoint, { era: 'modern' })
  expect(await read(modern, 'other://x')).toMatchObject({
    code: -32602,
    data: { uri: 'other://x' },
  })
})

test('while a member is silent, nobody else is asked for what could be its resource', async () => {
  const { bundle } = bundleOf([one, { ...two, mood: 'silent' }], 50)
  await using client = openRelayClient(bundle.endpoint)
  expect(await read(client, 'a://1')).toBe('one')
  const error = await read(client, 'other://x')
  expect(error).toMatchObject({ code: -32002, data: { omitted: [{ service: 'two' }] } })
})

test('what a bundle hides cannot be read by its URI', async () => {
  const { bundle } = bundleOf([one])
  const filter = ServiceFilter.parse({ resources: { hide: ['a://1', 'user://{id}'] } })
  bundle.members = bundle.members.map((member) => ({ ...member, filter }))
  await using client = openRelayClient(bundle.endpoint)
  expect(await read(client, 'a://1')).toMatchObject({ code: -32002 })
  expect(await read(client, 'user://7')).toMatchObject({ code: -32002 })
  expect(await read(client, 'same://x')).toBe('one')
})

test('subscriptions go where the resource is, and are made again when that member is', async () => {
  const { bundle, fakes } = bundleOf([one, two])
  await using client = openRelayClient(bundle.endpoint)
  await client.call('resources/subscribe', { uri: 'b://1' })
  expect(fakes[1]?.asked('resources/subscribe')).toEqual([{ uri: 'b://1' }])
  fakes[1]?.relay.lose()
  await client.call('tools/list')
  await expect
    .poll(() => fakes[1]?.asked('resources/subscribe'), { timeout: 5000 })
    .toEqual([{ uri: 'b://1' }, { uri: 'b://1' }])
  await client.call('resources/unsubscribe', { uri: 'b://1' })
  expect(fakes[1]?.asked('resources/unsubscribe')).toEqual([{ uri: 'b://1' }])
  expect(fakes[0]?.asked('resources/subscribe')).toEqual([])
})
