import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { misbehaving, realServer, stdioFixture } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import type { McpGateway } from './support/mcp-gateway.ts'
import { openClientV1, openClientV2 } from './support/mcp-sdk-clients.ts'

const dead = { command: '/nonexistent/mcp-server', args: [] }
const listDeadlineMs = 2_000
let scope: AsyncDisposableStack
let gateway: McpGateway

beforeAll(async () => {
  scope = new AsyncDisposableStack()
  const folder = scope.use(await mkdtempDisposable(path.join(tmpdir(), 'portico-bundles-')))
  gateway = scope.use(await startMcpGateway({ 'services.listDeadlineMs': listDeadlineMs }))
  await gateway.addProgram('everything', realServer('everything'))
  await gateway.addProgram('files', realServer('filesystem', folder.path))
  for (const name of ['home', 'work']) {
    const env = { MEMORY_FILE_PATH: path.join(folder.path, `${name}.jsonl`) }
    await gateway.addProgram(name, realServer('memory'), { upstream: { env } })
  }
  await gateway.addProgram('thinking', realServer('sequential-thinking'))
  await gateway.addProgram('fixture', stdioFixture('legacy'))
  await gateway.addProgram('dead', dead, { restart: { auto: false } })
  // Whoever asks a bundle first would wait for every start; that is not what these tests are about.
  const names = ['everything', 'files', 'home', 'work', 'thinking', 'fixture']
  await Promise.all(names.map((name) => gateway.toolNames(`/${name}`)))
})

afterAll(() => scope.disposeAsync())

async function createBundle(name: string, members: readonly object[], fields: object = {}) {
  await gateway.portico.api('POST', '/api/bundles', { name, members, ...fields })
}

test('everything together has all tools, and says which service is not in it', async () => {
  const { tools, _meta } = (await gateway.call('', 'tools/list')) as {
    tools: { name: string }[]
    _meta: Record<string, unknown>
  }
  const names = tools.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const name of ['echo', 'read_text_file', 'sequentialthinking', 'test_simple_text']) {
    expect(names).toContain(name)
  }
  expect(names.filter((name) => name.endsWith('read_graph'))).toEqual([
    'read_graph',
    'work__read_graph',
  ])
  expect(JSON.stringify(_meta)).toMatch(/"service":"dead"/)
  expect(JSON.stringify(_meta)).not.toMatch(/"service":"(?:everything|files|home)"/)
})

test('clients of both SDKs call tools of several services through one endpoint', async () => {
  await createBundle('kit', [
    { service: 'everything' },
    { service: 'thinking' },
    { service: 'dead' },
  ])
  await using legacy = await openClientV1({ ...gateway, path: '/kit' })
  await using modern = await openClientV2({ ...gateway, path: '/kit' })
  for (const client of [legacy, modern]) {
    const sum = await client.callTool({ name: 'get-sum', arguments: { a: 20, b: 22 } })
    expect(textIn(sum)).toContain('42')
    const thought = await client.callTool({
      name: 'sequentialthinking',
      arguments: { thought: 'Hm.', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
    })
    expect(textIn(thought)).toContain('"thoughtNumber": 1')
  }
})

test('names get the prefix of their service always, on collision or never', async () => {
  const members = [{ service: 'home' }, { service: 'work', alias: 'office' }]
  await createBundle('always', members, { naming: 'always' })
  await createBundle('collision', members)
  await createBundle('never', members, { naming: 'never' })
  const always = await gateway.toolNames('/always')
  expect(always).toHaveLength(18)
  expect(always.every((name) => /^(?:home|office)__/.test(name))).toBe(true)
  const collision = await gateway.toolNames('/collision')
  expect(collision.slice(0, 9)).toEqual(await gateway.toolNames('/home'))
  expect(collision.slice(9)).toEqual(always.slice(9))
  const never = (await gateway.call('/never', 'tools/list')) as { tools: object[]; _meta: object }
  expect(never.tools).toHaveLength(9)
  expect(JSON.stringify(never._meta)).toMatch(/"service":"work".*read_graph/)
})

test('what a member hides is neither listed nor called, and what it renames is called by that name', async () => {
  const tools = { show: ['echo', 'get-sum', 'get-env'], hide: ['get-env'], rename: { echo: 'say' } }
  await createBundle('filtered', [
    { service: 'everything', filter: { tools, prompts: { hide: ['simple-prompt'] } } },
  ])
  expect(await gateway.toolNames('/filtered')).toEqual(['say', 'get-sum'])
  const call = (name: string) =>
    gateway.call('/filtered', 'tools/call', { name, arguments: { message: 'hi' } })
  expect(textIn(await call('say'))).toBe('Echo: hi')
  for (const name of ['echo', 'get-env', 'get-tiny-image']) {
    await expect(call(name)).rejects.toThrow('-32602')
  }
  const { prompts } = (await gateway.call('/filtered', 'prompts/list')) as { prompts: object[] }
  expect(JSON.stringify(prompts)).not.toContain('simple-prompt')
  await expect(gateway.call('/filtered', 'prompts/get', { name: 'simple-prompt' })).rejects.toThrow(
    '-32602',
  )
})

test('prompts, completion and resources go to the service that has them', async () => {
  await createBundle('docs', [{ service: 'fixture' }, { service: 'everything' }])
  const prompt = await gateway.call('/docs', 'prompts/get', {
    name: 'args-prompt',
    arguments: { city: 'Rome' },
  })
  expect(JSON.stringify(prompt)).toContain('Rome')
  const { completion } = (await gateway.call('/docs', 'completion/complete', {
    ref: { type: 'ref/prompt', name: 'completable-prompt' },
    argument: { name: 'department', value: 'M' },
  })) as { completion: { values: string[] } }
  expect(completion.values).toEqual(['Marketing'])
  const read = (uri: string) => gateway.call('/docs', 'resources/read', { uri })
  expect(JSON.stringify(await read('test://static-text'))).toContain('static text resource')
  expect(JSON.stringify(await read('test://template/7/data'))).toContain('Data for ID: 7')
  expect(JSON.stringify(await read('demo://resource/dynamic/text/3'))).toContain('dynamic/text/3')
})

test('a resource that two services have is refused, and both are named', async () => {
  await createBundle('twice', [{ service: 'home' }, { service: 'work' }])
  const { resources } = (await gateway.call('/twice', 'resources/list')) as { resources: object[] }
  expect(JSON.stringify(resources)).toContain('memory://knowledge-graph')
  const refused = await gateway
    .call('/twice', 'resources/read', { uri: 'memory://knowledge-graph' })
    .catch(String)
  expect(refused).toMatch(/home.*work/)
})

test('in mode search there are two tools, and with them all the others', async () => {
  await createBundle('search', [{ service: 'everything' }, { service: 'files' }], {
    mode: 'search',
  })
  for (const endpoint of ['/search', '?mode=search']) {
    expect(await gateway.toolNames(endpoint)).toEqual(['find_tools', 'call_tool'])
    const tool = (name: string, args: object) =>
      gateway.call(endpoint, 'tools/call', { name, arguments: args })
    const found = JSON.parse(
      textIn(await tool('find_tools', { query: 'add two numbers sum' })),
    ) as {
      tools: { name: string; inputSchema: object }[]
    }
    expect(found.tools[0]).toMatchObject({ name: 'get-sum', inputSchema: { type: 'object' } })
    const sum = { name: 'get-sum', arguments: { a: 1, b: 1 } }
    expect(textIn(await tool('call_tool', sum))).toBe('The sum of 1 and 1 is 2.')
  }
})

test('a key sees only the services on its list, alone and in every bundle', async () => {
  const { key } = await gateway.portico.createKey({
    scopes: ['services:use'],
    allowedServices: ['thinking', 'everything/echo'],
  })
  await createBundle('mixed', [
    { service: 'home' },
    { service: 'thinking' },
    { service: 'everything' },
  ])
  const { call, toolNames } = gateway.as(key)
  for (const endpoint of ['', '/mixed']) {
    const names = await toolNames(endpoint)
    expect(names.toSorted()).toEqual(['echo', 'sequentialthinking'])
    const hidden = { name: 'read_graph', arguments: {} }
    await expect(call(endpoint, 'tools/call', hidden)).rejects.toThrow('-32602')
    const forbidden = { name: 'get-sum', arguments: { a: 1, b: 1 } }
    await expect(call(endpoint, 'tools/call', forbidden)).rejects.toThrow('tools/call: ')
  }
  await expect(call('/home', 'tools/list')).rejects.toThrow('404 Service home not found')
})

test('a service that hangs delays the list of a bundle no longer than the deadline', async () => {
  await gateway.addProgram('hanging', misbehaving('silent'))
  await createBundle('slow', [{ service: 'hanging' }, { service: 'thinking' }])
  const startedAt = performance.now()
  const { tools, _meta } = (await gateway.call('/slow', 'tools/list')) as {
    tools: { name: string }[]
    _meta: object
  }
  const tookMs = performance.now() - startedAt
  expect(tools.map(({ name }) => name)).toEqual(['sequentialthinking'])
  expect(JSON.stringify(_meta)).toMatch(/"service":"hanging"/)
  expect(tookMs).toBeGreaterThan(listDeadlineMs / 2)
  expect(tookMs).toBeLessThan(listDeadlineMs + 1_500)
  await gateway.portico.api('DELETE', '/api/services/hanging?force=true')
})
