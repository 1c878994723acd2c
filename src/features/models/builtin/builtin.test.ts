import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import type { OutboundRequest, ResponseSink } from '../../../net/outbound.ts'
import { createBuiltinUpstream } from './builtin.ts'

const clock = { now: () => Date.UTC(2026, 10, 22, 3, 14, 36, 123), elapsed: () => 0 }

/** The built-in provider behind a real socket, and the official client in front of it. */
async function startBuiltin() {
  const upstream = createBuiltinUpstream({ clock })
  const server = createServer((req, res) => {
    void buffer(req).then((body) => {
      const headers = req.rawHeaders
      upstream.send(
        { method: req.method ?? '', path: req.url ?? '', headers, body },
        {
          onStart: (status, answered) => res.writeHead(status, answered),
          onChunk: (chunk) => res.write(chunk),
          onEnd: () => res.end(),
          onFailure: () => res.destroy(),
        },
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new OpenAI({
    apiKey: 'none',
    baseURL: `http://127.0.0.1:${port}/v1`,
    maxRetries: 0,
  })
  return {
    client,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** One exchange without a socket; `onChunk` decides what the sink answers. */
function send(request: Partial<OutboundRequest>, onChunk: (chunk: Buffer) => boolean = () => true) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const chunks: string[] = []
  const sink: ResponseSink = {
    onStart: () => undefined,
    onChunk: (chunk) => {
      chunks.push(chunk.toString())
      return onChunk(chunk)
    },
    onEnd: resolve,
    onFailure: (failure) => reject(failure.cause),
  }
  const whole = { method: 'POST', path: '/chat/completions', headers: [], body: null, ...request }
  return { exchange: createBuiltinUpstream({ clock }).send(whole, sink), chunks, ended }
}

/** After this many turns of the event loop anything still scheduled would have run. */
async function severalTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function echoBody(content: string, fields: object = {}): Buffer {
  const messages = [{ role: 'user', content }]
  return Buffer.from(JSON.stringify({ model: 'portico/echo', stream: true, messages, ...fields }))
}

test('echo answers the last user message and counts the words of both sides', async () => {
  await using builtin = await startBuiltin()
  const completion = await builtin.client.chat.completions.create({
    model: 'portico/echo',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'first question' },
      { role: 'assistant', content: 'first answer' },
      { role: 'user', content: [{ type: 'text', text: 'one two  three\nfour' }] },
    ],
  })
  expect(completion.choices[0]?.message.content).toBe('one two  three\nfour')
  expect(completion.choices[0]?.finish_reason).toBe('stop')
  expect(completion.usage).toEqual({ prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 })
  expect(completion.system_fingerprint).toBe('portico-builtin')
})

test('echo streams one word at a time, and reports usage when it is asked for', async () => {
  await using builtin = await startBuiltin()
  const stream = await builtin.client.chat.completions.create({
    model: 'portico/echo',
    messages: [{ role: 'user', content: 'one two three' }],
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks = await collect(stream)
  const words = chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean)
  expect(words).toEqual(['one ', 'two ', 'three'])
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 6 } })
  expect(chunks[0]?.usage).toBeNull()
})

test('a stream that nobody asked usage of has none', async () => {
  const { chunks, ended } = send({ body: echoBody('hi') })
  await ended
  expect(chunks.join('')).not.toContain('usage')
  expect(chunks.at(-1)).toBe('data: [DONE]\n\n')
})

test('a token limit cuts the answer and says so', async () => {
  await using builtin = await startBuiltin()
  const completion = await builtin.client.chat.completions.create({
    model: 'portico/echo',
    messages: [{ role: 'user', content: 'one two three' }],
    max_completion_tokens: 2,
  })
  expect(completion.choices[0]).toMatchObject({
    finish_reason: 'length',
    message: { content: 'one two ' },
  })
  expect(completion.usage?.completion_tokens).toBe(2)
})

test('clock tells the time in pieces', async () => {
  await using builtin = await startBuiltin()
  const stream = builtin.client.chat.completions.stream({
    model: 'portico/clock',
    messages: [{ role: 'user', content: 'what time is it?' }],
    stream_options: { include_usage: true },
  })
  const completion = await stream.finalChatCompletion()
  expect(completion.choices[0]?.message.content).toBe('2026-11-22T03:14:36.123Z')
  expect(completion.usage?.completion_tokens).toBe(7)
})

test('completions echo their prompt, streamed and whole', async () => {
  await using builtin = await startBuiltin()
  const request = { model: 'portico/echo', prompt: 'one two' }
  const whole = await builtin.client.completions.create(request)
  expect(whole.choices[0]).toMatchObject({ text: 'one two', finish_reason: 'stop' })
  const stream = await builtin.client.completions.create({ ...request, stream: true })
  const texts = (await collect(stream)).map((chunk) => chunk.choices[0]?.text)
  expect(texts).toEqual(['one ', 'two', ''])
})

test('responses stream every event that the official client accumulates', async () => {
  await using builtin = await startBuiltin()
  const stream = builtin.client.responses.stream({
    model: 'portico/echo',
    instructions: 'Be brief.',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'one two' }] }],
  })
  const types: string[] = []
  stream.on('event', (event) => types.push(event.type))
  const response = await stream.finalResponse()
  expect(response).toMatchObject({ status: 'completed', output_text: 'one two' })
  expect(response.usage).toMatchObject({ input_tokens: 4, output_tokens: 2, total_tokens: 6 })
  expect(types).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ])
})

test('a response cut by its token limit is incomplete', async () => {
  await using builtin = await startBuiltin()
  const response = await builtin.client.responses.create({
    model: 'portico/echo',
    input: 'one two',
    max_output_tokens: 1,
  })
  expect(response).toMatchObject({ status: 'incomplete', output_text: 'one ' })
  expect(response.incomplete_details).toEqual({ reason: 'max_output_tokens' })
})

test('models are listed as what they are', async () => {
  await using builtin = await startBuiltin()
  const models = await collect(builtin.client.models.list())
  expect(models.map((model) => [model.id, model.owned_by])).toEqual([
    ['portico/echo', 'portico'],
    ['portico/clock', 'portico'],
  ])
  expect(await builtin.client.models.retrieve('portico/echo')).toEqual(models[0])
})

test('an unknown model, an unknown path and a bad body are errors the client can read', async () => {
  await using builtin = await startBuiltin()
  const { client } = builtin
  const messages = [{ role: 'user' as const, content: 'hi' }]
  await expect(client.chat.completions.create({ model: 'gpt', messages })).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
  })
  const embeddings = client.embeddings.create({ model: 'portico/echo', input: 'hi' })
  await expect(embeddings).rejects.toMatchObject({ status: 404, code: 'not_found' })
  const empty = client.chat.completions.create({ model: 'portico/echo', messages: [] })
  await expect(empty).rejects.toMatchObject({ status: 400, param: 'messages' })
})

test('a sink that says stop gets nothing until it resumes', async () => {
  const { exchange, chunks, ended } = send({ body: echoBody('a b c') }, () => false)
  await severalTurns()
  expect(chunks).toHaveLength(1)
  exchange.resume()
  await severalTurns()
  expect(chunks).toHaveLength(2)
  const total = chunks.length + 4
  for (let at = chunks.length; at <= total; at += 1) {
    exchange.resume()
    await severalTurns()
  }
  await ended
  expect(chunks.at(-1)).toBe('data: [DONE]\n\n')
})

test('nothing is heard after an abort, in any phase', async () => {
  const early = send({ body: echoBody('a b c') })
  early.exchange.abort()
  const midway = send({ body: echoBody('a b c') }, () => {
    midway.exchange.abort()
    return true
  })
  const paused = send({ body: echoBody('a b c') }, () => false)
  await severalTurns()
  paused.exchange.abort()
  paused.exchange.resume()
  await severalTurns()
  expect([early, midway, paused].map(({ chunks }) => chunks.length)).toEqual([0, 1, 1])
})

test('a body that breaks while it is read is a failure, not an answer', async () => {
  async function* broken() {
    yield Buffer.from('{"model":')
    throw new Error('reset')
  }
  await expect(send({ body: Readable.from(broken()) }).ended).rejects.toThrow('reset')
})
