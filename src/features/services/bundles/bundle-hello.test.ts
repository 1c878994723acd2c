import { expect, test } from 'vitest'
import { createTestBundle } from '../../../../test/support/bundle.ts'
import { createFakeEndpoint, type FakeService } from '../../../../test/support/fake-endpoint.ts'
import { openRelayClient } from '../../../../test/support/relay-client.ts'

const version = expect.any(String) as string
const services: FakeService[] = [
  {
    name: 'one',
    instructions: 'Be kind.',
    capabilities: { tools: {}, logging: {}, tasks: {}, experimental: { x: {} } },
  },
  {
    name: 'two',
    instructions: 'Be quick.',
    capabilities: {
      tools: { listChanged: false },
      resources: { subscribe: true },
      completions: {},
      extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [] }, 'x/y': {} },
    },
  },
  { name: 'three', capabilities: { resources: {} } },
]
const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
  extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [] } },
}
const instructions = 'All together.\n\n## one\n\nBe kind.\n\n## two\n\nBe quick.'

function bundleOf(some: readonly FakeService[], listDeadlineMs = 5000) {
  const settings = { instructions: 'All together.' }
  return createTestBundle(some.map(createFakeEndpoint), settings, listDeadlineMs).endpoint
}

test('to a legacy client all members are one server that can do what any of them can', async () => {
  await using client = openRelayClient(bundleOf(services))
  const { result } = await client.call('initialize', { protocolVersion: '2025-06-18' })
  expect(result).toEqual({
    protocolVersion: '2025-06-18',
    capabilities,
    serverInfo: { name: 'portico', title: 'all', version },
    instructions,
  })
})

test('to a modern client as well', async () => {
  await using client = openRelayClient(bundleOf(services), { era: 'modern' })
  const { result } = await client.call('server/discover')
  expect(result).toEqual({
    resultType: 'complete',
    supportedVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'],
    capabilities,
    instructions,
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'portico', title: 'all', version } },
  })
})

test('a revision that is not spoken is answered with the latest one', async () => {
  await using client = openRelayClient(bundleOf(services))
  for (const protocolVersion of ['2026-07-28', '1999-01-01', undefined]) {
    const { result } = await client.call('initialize', { protocolVersion })
    expect(result?.['protocolVersion']).toBe('2025-11-25')
  }
})

test('neither a dead member nor a silent one keeps the others from being introduced', async () => {
  const some: FakeService[] = [
    { name: 'dead', mood: 'dead' },
    { name: 'silent', mood: 'silent' },
    ...services.slice(0, 1),
  ]
  await using client = openRelayClient(bundleOf(some, 100))
  const { result } = await client.call('initialize')
  const changing = { listChanged: true }
  expect(result?.['capabilities']).toEqual({
    tools: changing,
    // What the other two have is not known yet, and may come.
    prompts: changing,
    resources: changing,
    logging: {},
  })
})

test('a member that is down for now is introduced as what it was', async () => {
  const fakes = services.map(createFakeEndpoint)
  const { endpoint } = createTestBundle(fakes)
  for (const mood of ['well', 'dead'] as const) {
    for (const { service } of fakes) service.mood = mood
    await using client = openRelayClient(endpoint)
    const { result } = await client.call('initialize')
    expect(result?.['capabilities']).toEqual(capabilities)
    for (const { service } of fakes) service.mood = 'well'
  }
})

test('a bundle without members is a server without anything', async () => {
  await using client = openRelayClient(createTestBundle([]).endpoint)
  expect((await client.call('initialize')).result).toMatchObject({ capabilities: {} })
  expect((await client.call('tools/list')).result).toEqual({ tools: [] })
})
