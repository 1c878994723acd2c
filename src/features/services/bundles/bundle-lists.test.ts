import { expect, test } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import { createFakeEndpoint, type FakeService } from '../../../../test/support/fake-endpoint.ts'
import {
  openRelayClient,
  type Heard,
  type RelayClient,
} from '../../../../test/support/relay-client.ts'
import { ServiceFilter } from '../../../protocol/api/services.ts'
import type { JsonObject } from '../wire/json.ts'
import { RpcError } from '../wire/rpc-error.ts'

function named(...names: string[]): JsonObject[] {
  return names.map((name) => ({ name, inputSchema: { type: 'object' } }))
}

function namesIn(answer: Heard, list = 'tools'): unknown[] {
  const entries = answer.result?.[list] as JsonObject[] | undefined
  return (entries ?? []).map(({ name, uri }) => name ?? uri)
}

function omittedIn(answer: Heard): unknown {
  return (answer.result?.['_meta'] as JsonObject | undefined)?.['portico/omitted']
}

async function allPages(client: RelayClient, method: string, list: string): Promise<unknown[]> {
  const names: unknown[] = []
  let cursor: unknown
  do {
    const page = await client.call(method, cursor === undefined ? {} : { cursor })
    names.push(...namesIn(page, list))
    cursor = page.result?.['nextCursor']
  } while (cursor !== undefined)
  return names
}

function bundleOf(...services: FakeService[]) {
  const fakes = services.map(createFakeEndpoint)
  return { fakes, ...createTestBundle(fakes) }
}

test('the tools of all members are listed in their order, to the letter', async () => {
  const odd = { name: 'a', _meta: { ui: { resourceUri: 'ui://a' } }, x: [1, { y: null }] }
  const { endpoint } = bundleOf(
    { name: 'one', tools: [odd, ...named('b')] },
    { name: 'two', tools: named('b', 'c') },
  )
  await using client = openRelayClient(endpoint)
  const answer = await client.call('tools/list')
  expect(namesIn(answer)).toEqual(['a', 'b', 'two__b', 'c'])
  expect(answer.text).toContain(JSON.stringify(odd))
  expect(answer.result).not.toHaveProperty('ttlMs')
})

test('all pages of a member are read, and a cursor that goes round in circles ends them', async () => {
  const { endpoint } = bundleOf(
    { name: 'paged', tools: named('a', 'b', 'c', 'd', 'e'), pageEntries: 2 },
    {
      name: 'stuck',
      answers: { 'tools/list': () => ({ tools: named('s'), nextCursor: 'again' }) },
    },
  )
  await using client = openRelayClient(endpoint)
  const names = namesIn(await client.call('tools/list'))
  expect(names).toEqual(['a', 'b', 'c', 'd', 'e', 's'])
})

test('a dead member and a silent one are left out and named, and the rest is there', async () => {
  const services: FakeService[] = [
    { name: 'dead', tools: named('x'), mood: 'dead' },
    { name: 'silent', tools: named('y'), mood: 'silent' },
    { name: 'well', tools: named('z'), ttlMs: 5000 },
  ]
  const { endpoint } = createTestBundle(services.map(createFakeEndpoint), {}, 100)
  await using client = openRelayClient(endpoint, { era: 'modern' })
  const answer = await client.call('tools/list')
  expect(namesIn(answer)).toEqual(['z'])
  expect(omittedIn(answer)).toEqual([
    { service: 'dead', code: 'service_failed', message: 'The program does not run.' },
    { service: 'silent', code: 'upstream_timeout', message: expect.any(String) as string },
  ])
  expect(answer.result).toMatchObject({ ttlMs: 0, cacheScope: 'private', resultType: 'complete' })
})

test('a modern list may be kept as long as the shortest-lived of its parts', async () => {
  const { endpoint } = bundleOf(
    { name: 'one', tools: named('a'), ttlMs: 9000 },
    { name: 'two', tools: named('b'), ttlMs: 4000 },
    { name: 'without', capabilities: {}, answers: {} },
  )
  await using client = openRelayClient(endpoint, { era: 'modern' })
  expect((await client.call('tools/list')).result).toMatchObject({ ttlMs: 0 })
  const two = bundleOf(
    { name: 'one', prompts: named('a'), ttlMs: 9000 },
    { name: 'two', prompts: named('b'), ttlMs: 4000 },
  )
  await using other = openRelayClient(two.endpoint, { era: 'modern' })
  expect((await other.call('prompts/list')).result).toMatchObject({ ttlMs: 4000 })
})

test('a server without prompts is no gap in the list of prompts', async () => {
  const missing = (): never => {
    throw new RpcError(-32601, 'Method not found')
  }
  const { endpoint } = bundleOf(
    { name: 'one', prompts: named('p') },
    { name: 'two', answers: { 'prompts/list': missing } },
  )
  await using client = openRelayClient(endpoint)
  const answer = await client.call('prompts/list')
  expect(namesIn(answer, 'prompts')).toEqual(['p'])
  expect(omittedIn(answer)).toBeUndefined()
})

test('a long list comes in pages, whose cursors work after a restart, for this list alone', async () => {
  const names = Array.from({ length: 1201 }, (_, index) => `tool${index}`)
  const service = { name: 'one', tools: named(...names), prompts: named(...names) }
  const { endpoint } = bundleOf(service)
  await using client = openRelayClient(endpoint)
  expect(await allPages(client, 'tools/list', 'tools')).toEqual(names)

  const first = await client.call('tools/list')
  const cursor = first.result?.['nextCursor']
  await using later = openRelayClient(bundleOf(service).endpoint)
  const second = await later.call('tools/list', { cursor })
  expect(namesIn(second)[0]).toBe('tool500')

  const refused = { code: -32602, message: 'Invalid cursor' }
  expect((await later.call('prompts/list', { cursor })).error).toMatchObject(refused)
  expect((await later.call('tools/list', { cursor: 'x' })).error).toMatchObject(refused)
  expect((await later.call('tools/list', { cursor: 7 })).error).toMatchObject(refused)
  await using other = openRelayClient(endpoint, { keyId: 'key_2' })
  expect((await other.call('tools/list', { cursor })).error).toMatchObject(refused)
})

test('resources keep their URIs, templates too', async () => {
  const { endpoint } = bundleOf(
    { name: 'one', resources: [{ uri: 'a://1', name: 'x' }] },
    {
      name: 'two',
      resources: [{ uri: 'b://1', name: 'x' }],
      templates: [{ uriTemplate: 'b://{i}' }],
    },
  )
  await using client = openRelayClient(endpoint)
  const { result } = await client.call('resources/list')
  expect(result).toEqual({
    resources: [
      { uri: 'a://1', name: 'x' },
      { uri: 'b://1', name: 'x' },
    ],
  })
  const templates = await client.call('resources/templates/list')
  expect(templates.result).toEqual({ resourceTemplates: [{ uriTemplate: 'b://{i}' }] })
})

test('mode never lists a name once, and says whose is missing', async () => {
  const fakes = ['one', 'two'].map((name) => createFakeEndpoint({ name, tools: named('same') }))
  const { endpoint } = createTestBundle(fakes, { naming: 'never' })
  await using client = openRelayClient(endpoint)
  const answer = await client.call('tools/list')
  expect(namesIn(answer)).toEqual(['same'])
  expect(omittedIn(answer)).toMatchObject([{ service: 'two', code: 'conflict' }])
})

test('prompts have names of their own, and an alias is the prefix', async () => {
  const fakes = ['one', 'two'].map((name) =>
    createFakeEndpoint({ name, tools: named('t'), prompts: named('t') }),
  )
  const bundle = createTestBundle(fakes, { naming: 'always' })
  bundle.members = bundle.members.map((member) => ({ ...member, name: `${member.name}-alias` }))
  await using client = openRelayClient(bundle.endpoint)
  const prompts = await client.call('prompts/list')
  expect(namesIn(prompts, 'prompts')).toEqual(['one-alias__t', 'two-alias__t'])
})

test('more than 64 tools with names of 200 characters are all there, each within 64', async () => {
  const names = Array.from({ length: 80 }, (_, index) => `${'x'.repeat(197)}${100 + index}`)
  const fakes = ['one', 'two'].map((name) => createFakeEndpoint({ name, tools: named(...names) }))
  const { endpoint } = createTestBundle(fakes)
  await using client = openRelayClient(endpoint)
  const listed = namesIn(await client.call('tools/list')) as string[]
  expect(new Set(listed).size).toBe(160)
  expect(Math.max(...listed.map(({ length }) => length))).toBe(64)
  const { result } = await client.call('tools/call', { name: listed[100] })
  expect(result).toEqual({ content: [{ type: 'text', text: `two: ${names[20]}` }] })
})

test('another member does not rename the tools of those before it', async () => {
  const fakes = ['one', 'two'].map((name) => createFakeEndpoint({ name, tools: named('a', 'b') }))
  const bundle = createTestBundle(fakes.slice(0, 1))
  await using client = openRelayClient(bundle.endpoint)
  expect(namesIn(await client.call('tools/list'))).toEqual(['a', 'b'])
  bundle.members = createTestBundle(fakes).members
  bundle.changed()
  expect(namesIn(await client.call('tools/list'))).toEqual(['a', 'b', 'two__a', 'two__b'])
})

test('what a bundle hides or renames of a member is hidden and renamed', async () => {
  const fake = createFakeEndpoint({ name: 'one', tools: named('a', 'b', 'c') })
  const bundle = createTestBundle([fake])
  const filter = ServiceFilter.parse({ tools: { hide: ['b'], rename: { c: 'see' } } })
  bundle.members = bundle.members.map((member) => ({ ...member, filter }))
  await using client = openRelayClient(bundle.endpoint)
  expect(namesIn(await client.call('tools/list'))).toEqual(['a', 'see'])
  const called = await client.call('tools/call', { name: 'see' })
  expect(called.result).toEqual({ content: [{ type: 'text', text: 'one: c' }] })
  expect((await client.call('tools/call', { name: 'b' })).error?.code).toBe(-32602)
})

test('members that the key may not use are not there', async () => {
  const { endpoint, fakes } = bundleOf(
    { name: 'one', tools: named('a') },
    { name: 'two', tools: named('b') },
  )
  await using client = openRelayClient(endpoint, { allowsService: (name) => name === 'two' })
  expect(namesIn(await client.call('tools/list'))).toEqual(['b'])
  expect((await client.call('tools/call', { name: 'a' })).error?.message).toBe('Unknown tool: a')
  expect(fakes[0]?.relays).toEqual([])
})

test('100 members with 20 tools each are listed in well under a second', async () => {
  const tools = Array.from({ length: 20 }, (_, index) => ({
    name: `tool_${index}`,
    description: 'Does something or other. '.repeat(10),
    inputSchema: { type: 'object', properties: { first: { type: 'string' } } },
  }))
  const services = Array.from({ length: 100 }, (_, index) => ({ name: `s${index}`, tools }))
  const { endpoint } = bundleOf(...services)
  await using client = openRelayClient(endpoint)
  const startedAt = performance.now()
  const names = await allPages(client, 'tools/list', 'tools')
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(new Set(names).size).toBe(2000)
})
