import { expect, test } from 'vitest'
import type { Channel } from '../wire/channel.ts'
import type { JsonObject } from '../wire/json.ts'
import type { BuiltinServer } from './builtin-tools.ts'
import { createBuiltinChannel } from './builtin-channel.ts'

test('a built-in server introduces itself by the name its clients know', async () => {
  await using client = await openClient('think')
  expect(client.hello).toMatchObject({
    serverInfo: { name: 'mcp server think on doroseek', version: '0.1.0' },
    protocolVersion: '2025-06-18',
  })
  expect(client.hello['capabilities']).toEqual({ tools: {} })
})

test('each has one tool, of its own name', async () => {
  for (const server of ['think', 'sequentialthinking'] as const) {
    await using client = await openClient(server)
    const { tools } = (await client.ask('tools/list', {})) as { tools: JsonObject[] }
    expect(tools.map(({ name }) => name)).toEqual([server])
  }
})

test('sequentialthinking says which arguments it takes and which it needs', async () => {
  await using client = await openClient('sequentialthinking')
  const { tools } = (await client.ask('tools/list', {})) as { tools: JsonObject[] }
  expect(tools[0]?.['inputSchema']).toMatchObject({
    type: 'object',
    required: ['thought', 'nextThoughtNeeded', 'thoughtNumber', 'totalThoughts'],
    properties: {
      thought: { type: 'string' },
      nextThoughtNeeded: { type: 'boolean' },
      thoughtNumber: { type: 'number' },
      totalThoughts: { type: 'number' },
      isRevision: { type: 'boolean' },
      revisesThought: { type: 'number' },
      branchFromThought: { type: 'number' },
      branchId: { type: 'string' },
      needsMoreThoughts: { type: 'boolean' },
    },
  })
})

test('think gives the thought back as a list of content', async () => {
  await using client = await openClient('think')
  const result = await client.ask('tools/call', { name: 'think', arguments: { thought: 'hm' } })
  expect(result).toEqual({ content: [{ type: 'text', text: 'hm' }] })
})

test('sequentialthinking raises the total to the number of the thought and counts', async () => {
  await using client = await openClient('sequentialthinking')
  await client.think({ thoughtNumber: 1, totalThoughts: 2 })
  const text = await client.think({ thoughtNumber: 3, totalThoughts: 2 })
  expect(text).toBe(
    `{
  "thoughtNumber": 3,
  "totalThoughts": 3,
  "nextThoughtNeeded": true,
  "branches": [],
  "thoughtHistoryLength": 2
}`,
  )
})

test('branches are listed once each, in order of appearance', async () => {
  await using client = await openClient('sequentialthinking')
  const branch = { thoughtNumber: 2, totalThoughts: 3, branchFromThought: 1 }
  await client.think({ ...branch, branchId: 'b' })
  await client.think({ ...branch, branchId: 'a' })
  const text = await client.think({ ...branch, branchId: 'b' })
  expect(JSON.parse(text)).toMatchObject({ branches: ['b', 'a'], thoughtHistoryLength: 3 })
})

test('two channels know nothing of each other', async () => {
  await using one = await openClient('sequentialthinking')
  await using other = await openClient('sequentialthinking')
  await one.think({ thoughtNumber: 1, totalThoughts: 1 })
  const text = await other.think({ thoughtNumber: 1, totalThoughts: 1 })
  expect(JSON.parse(text)).toMatchObject({ thoughtHistoryLength: 1 })
})

test('arguments that do not fit are an error result with a status', async () => {
  await using client = await openClient('sequentialthinking')
  const result = (await client.ask('tools/call', {
    name: 'sequentialthinking',
    arguments: { thought: 1 },
  })) as { isError: boolean; content: { text: string }[] }
  expect(result.isError).toBe(true)
  expect(JSON.parse(result.content[0]?.text ?? '')).toMatchObject({
    error: expect.stringContaining('thought'),
    status: 'failed',
  })
})

test('a tool that is not there is an error of the protocol', async () => {
  await using client = await openClient('think')
  await expect(client.ask('tools/call', { name: 'act', arguments: {} })).rejects.toThrow('-32602')
})

test('a request of the newer protocol is refused as unknown, so that clients fall back', async () => {
  await using client = await openClient('think')
  await expect(client.ask('server/discover', {})).rejects.toThrow('-32601')
})

test('what is no message is answered, and the channel goes on', async () => {
  await using client = await openClient('think')
  void client.channel.send(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":}}'))
  void client.channel.send(Buffer.from('[]'))
  expect(await client.ask('ping', {})).toEqual({})
  expect(client.unasked.map((message) => (message['error'] as JsonObject)['code'])).toEqual([
    -32700, -32600,
  ])
})

test('a channel that is disposed of says that it is closed, and nothing more', async () => {
  const channel = await createBuiltinChannel('think')
  await channel[Symbol.asyncDispose]()
  await channel[Symbol.asyncDispose]()
  expect(await channel.closed).toBeUndefined()
  expect(channel.send(Buffer.from('{}'))).toBeUndefined()
})

async function openClient(server: BuiltinServer) {
  const channel = await createBuiltinChannel(server)
  const { ask, unasked } = speakOver(channel)
  const hello = await ask('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  })
  void channel.send(Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}'))
  const think = async (step: object) => {
    const args = { thought: 'x', nextThoughtNeeded: true, ...step }
    const result = await ask('tools/call', { name: 'sequentialthinking', arguments: args })
    return (result['content'] as { text: string }[])[0]?.text ?? ''
  }
  const dispose = () => channel[Symbol.asyncDispose]()
  return { channel, hello, ask, think, unasked, [Symbol.asyncDispose]: dispose }
}

function speakOver(channel: Channel) {
  const waiting = new Map<unknown, PromiseWithResolvers<JsonObject>>()
  const unasked: JsonObject[] = []
  channel.receive((bytes) => {
    const message = JSON.parse(bytes.toString()) as JsonObject
    const asked = waiting.get(message['id'])
    if (asked === undefined) unasked.push(message)
    else if (message['error'] === undefined) asked.resolve(message['result'] as JsonObject)
    else asked.reject(new Error(JSON.stringify(message['error'])))
  })
  let id = 0
  const ask = (method: string, params: object) => {
    id += 1
    const answer = Promise.withResolvers<JsonObject>()
    waiting.set(id, answer)
    void channel.send(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params })))
    return answer.promise
  }
  return { ask, unasked }
}
