import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { expect, test, vi } from 'vitest'
import { realServer, startEverything } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import { openClientV1 } from './support/mcp-sdk-clients.ts'

const add = { name: 'get-sum', arguments: { a: 2, b: 3 } }
const answers = { elicitation: { name: 'Ada' }, sampling: 'Blue', roots: ['file:///work/portico'] }

test('the server everything answers clients of SDK 1 over each of their transports', async () => {
  await using gateway = await startMcpGateway()
  await gateway.addProgram('everything', realServer('everything'))
  for (const transport of ['http', 'sse', 'websocket'] as const) {
    await using client = await openClientV1({ ...gateway, path: '/everything', transport })
    expect(client.getServerVersion()).toMatchObject({ name: 'mcp-servers/everything' })
    expect((await client.listTools()).tools.length).toBeGreaterThanOrEqual(13)
    expect(textIn(await client.callTool(add))).toBe('The sum of 2 and 3 is 5.')
    const seen: number[] = []
    const call = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } }
    await client.callTool(call, undefined, { onprogress: ({ progress }) => seen.push(progress) })
    // What arrives in one piece with the answer is too late for this SDK: it has forgotten the call by then.
    expect(seen.slice(0, 3)).toEqual([1, 2, 3])
  }
})

test('the server everything is reached over its own HTTP+SSE and Streamable HTTP as well', async () => {
  await using gateway = await startMcpGateway()
  await using sse = await startEverything('sse')
  await using http = await startEverything('streamableHttp')
  await gateway.addRemote('by-sse', sse.url)
  await gateway.addRemote('by-http', http.url)
  for (const name of ['by-sse', 'by-http']) {
    await using client = await openClientV1({ ...gateway, path: `/${name}`, answers })
    expect(textIn(await client.callTool(add))).toBe('The sum of 2 and 3 is 5.')
    const asked = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })
    expect(JSON.stringify(asked.content)).toContain('- Name: Ada')
    const { messages } = await client.getPrompt({
      name: 'args-prompt',
      arguments: { city: 'Rome' },
    })
    expect(JSON.stringify(messages)).toContain('Rome')
  }
})

test('the server everything asks the user, the model and the roots of its client', async () => {
  await using gateway = await startMcpGateway()
  await gateway.addProgram('everything', realServer('everything'), { isolation: 'per-session' })
  await using client = await openClientV1({ ...gateway, path: '/everything', answers })
  const asked = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })
  expect(JSON.stringify(asked.content)).toContain('- Name: Ada')
  const prompt = { name: 'trigger-sampling-request', arguments: { prompt: 'Color?' } }
  expect(textIn(await client.callTool(prompt))).toContain('Blue')
  const roots = await client.callTool({ name: 'get-roots-list', arguments: {} })
  expect(textIn(roots)).toContain('file:///work/portico')
})

test('completion, resources, subscriptions and the level of the log reach the server everything', async () => {
  await using gateway = await startMcpGateway()
  await gateway.addProgram('everything', realServer('everything'), { isolation: 'per-session' })
  await using client = await openClientV1({ ...gateway, path: '/everything' })
  const { completion } = await client.complete({
    ref: { type: 'ref/prompt', name: 'completable-prompt' },
    argument: { name: 'name', value: '' },
    context: { arguments: { department: 'Sales' } },
  })
  expect(completion.values).toEqual(['David', 'Eve', 'Frank'])
  const uri = 'demo://resource/dynamic/text/1'
  expect((await client.readResource({ uri })).contents[0]).toMatchObject({ uri })

  const updated = vi.fn<(uri: string) => void>()
  const logged = vi.fn<(level: string) => void>()
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
    updated(params.uri),
  )
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) =>
    logged(params.level),
  )
  await client.setLoggingLevel('info')
  await client.subscribeResource({ uri })
  await vi.waitUntil(() => logged.mock.calls.some(([level]) => level === 'info'), 8_000)
  await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} })
  await vi.waitUntil(() => updated.mock.calls.length > 0, 8_000)
  expect(updated).toHaveBeenCalledWith(uri)
  await client.unsubscribeResource({ uri })
})

test('the server filesystem is confined to its folder, and to the roots of a client with a session of its own', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-files-'))
  await using other = await mkdtempDisposable(path.join(tmpdir(), 'portico-roots-'))
  await writeFile(path.join(folder.path, 'a.txt'), 'text of a')
  await writeFile(path.join(other.path, 'b.txt'), 'text of b')
  await using gateway = await startMcpGateway()
  await gateway.addProgram('files', realServer('filesystem', folder.path), {
    isolation: 'per-session',
  })
  const read = (file: string) => ({ name: 'read_text_file', arguments: { path: file } })

  await using plain = await openClientV1({ ...gateway, path: '/files' })
  expect(textIn(await plain.callTool(read(path.join(folder.path, 'a.txt'))))).toBe('text of a')
  const outside = await plain.callTool(read(path.join(other.path, 'b.txt')))
  expect(outside).toMatchObject({ isError: true })
  const write = { path: path.join(folder.path, 'c.txt'), content: 'ünïcode\nlines' }
  await plain.callTool({ name: 'write_file', arguments: write })
  expect(await readFile(write.path, 'utf8')).toBe(write.content)

  const roots = [pathToFileURL(other.path).href]
  await using rooted = await openClientV1({ ...gateway, path: '/files', answers: { roots } })
  const list = { name: 'list_allowed_directories', arguments: {} }
  await vi.waitFor(async () => {
    expect(textIn(await rooted.callTool(list))).toContain(other.path)
  }, 8_000)
  expect(textIn(await rooted.callTool(read(path.join(other.path, 'b.txt'))))).toBe('text of b')
  expect(await rooted.callTool(read(path.join(folder.path, 'a.txt')))).toMatchObject({
    isError: true,
  })
  expect(textIn(await plain.callTool(list))).toContain(folder.path)
})

test('two servers memory keep what they are told in files of their own', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'portico-memory-'))
  await using gateway = await startMcpGateway()
  for (const name of ['home', 'work']) {
    const env = { MEMORY_FILE_PATH: path.join(folder.path, `${name}.jsonl`) }
    await gateway.addProgram(name, realServer('memory'), { upstream: { env } })
  }
  await gateway.portico.api('POST', '/api/bundles', {
    name: 'both',
    members: [{ service: 'home' }, { service: 'work' }],
  })
  await using client = await openClientV1({ ...gateway, path: '/both' })
  const names = (await client.listTools()).tools.map(({ name }) => name)
  expect(names).toContain('create_entities')
  expect(names).toContain('work__create_entities')
  const entity = (name: string) => ({ entities: [{ name, entityType: 'thing', observations: [] }] })
  await client.callTool({ name: 'create_entities', arguments: entity('sofa') })
  await client.callTool({ name: 'work__create_entities', arguments: entity('desk') })
  expect(await readFile(path.join(folder.path, 'home.jsonl'), 'utf8')).toContain('sofa')
  const work = await client.callTool({ name: 'work__read_graph', arguments: {} })
  expect(JSON.stringify(work.content)).toContain('desk')
  expect(JSON.stringify(work.content)).not.toContain('sofa')
})

test('the server sequential-thinking counts its thoughts from one call to the next', async () => {
  await using gateway = await startMcpGateway()
  await gateway.addProgram('thinking', realServer('sequential-thinking'))
  const think = (thoughtNumber: number) =>
    gateway.call('/thinking', 'tools/call', {
      name: 'sequentialthinking',
      arguments: { thought: 'Hm.', nextThoughtNeeded: true, thoughtNumber, totalThoughts: 2 },
    })
  await think(1)
  expect(JSON.parse(textIn(await think(2)))).toMatchObject({
    thoughtNumber: 2,
    thoughtHistoryLength: 2,
  })
})
