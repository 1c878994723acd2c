import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createStreamTranslation } from './stream-translation.ts'

const context = { model: 'claude', requestId: 'req-1' }
const done = 'data: [DONE]\n\n'

function chunk(delta: object, finishReason: string | null = null, rest: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }]
  return `data: ${JSON.stringify({ id: 'chatcmpl-7', choices, ...rest })}\n\n`
}

function usageChunk(usage: object): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-7', choices: [], usage })}\n\n`
}

function call(index: number, text: string, started?: { id: string; name: string }): string {
  const { id, name } = started ?? {}
  return chunk({ tool_calls: [{ index, id, function: { name, arguments: text } }] })
}

/** What the client gets for the whole upstream stream, cut into pieces at the given places. */
function translate(stream: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(stream)
  const translation = createStreamTranslation(context)
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])]
  places.sort((a, b) => a - b)
  const out = places.slice(1).map((to, at) => translation.push(bytes.subarray(places[at], to)))
  out.push(translation.end())
  const text = Buffer.concat(out).toString()
  return { text, outcome: translation.outcome, usage: translation.usage, events: eventsOf(text) }
}

function eventsOf(text: string) {
  return text
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      const [name = '', data = ''] = event.split('\n')
      const value = JSON.parse(data.replace('data: ', ''))
      expect(name).toBe(`event: ${value.type}`)
      return value
    })
}

/** The answer as Anthropic's own client understands it, over a real socket. */
async function askThroughSdk(stream: string) {
  const server = createServer((req, res) => {
    req.resume()
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const { text } = translate(stream)
    res.end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new Anthropic({
    apiKey: 'none',
    baseURL: `http://127.0.0.1:${port}`,
    maxRetries: 0,
  })
  const asked = client.messages.stream({
    model: 'claude',
    max_tokens: 9,
    messages: [{ role: 'user', content: 'hello' }],
  })
  return asked.finalMessage().finally(() => server.close())
}

const words = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'grüß ' }),
  chunk({ content: 'dich 👋' }),
  chunk({}, 'stop'),
  usageChunk({
    prompt_tokens: 10,
    completion_tokens: 2,
    prompt_tokens_details: { cached_tokens: 4 },
  }),
  done,
].join('')

const oslo = { id: 'call_a', name: 'weather' }
const time = { id: 'call_b', name: 'now' }

const parallelCalls = [
  chunk({ role: 'assistant', content: 'Let me see.' }),
  call(0, '', oslo),
  call(0, '{"city":'),
  call(1, '{"zone":', time),
  call(0, '"Os{lo"}'),
  call(1, '"CET"}'),
  chunk({}, 'tool_calls'),
  done,
].join('')

test('text arrives as the official client expects it', async () => {
  expect(await askThroughSdk(words)).toMatchObject({
    id: 'msg_7',
    model: 'claude',
    role: 'assistant',
    content: [{ type: 'text', text: 'grüß dich 👋' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 2 },
  })
})

test('parallel tool calls arrive whole, however their fragments are mixed', async () => {
  expect(await askThroughSdk(parallelCalls)).toMatchObject({
    content: [
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_use', id: 'call_a', name: 'weather', input: { city: 'Os{lo' } },
      { type: 'tool_use', id: 'call_b', name: 'now', input: { zone: 'CET' } },
    ],
    stop_reason: 'tool_use',
  })
})

test('one block ends before the next begins', () => {
  const shape = translate(parallelCalls).events.map(({ type, index }) => `${type} ${index ?? ''}`)
  expect(shape).toEqual([
    'message_start ',
    'content_block_start 0',
    'content_block_delta 0',
    'content_block_stop 0',
    'content_block_start 1',
    'content_block_delta 1',
    'content_block_delta 1',
    'content_block_stop 1',
    'content_block_start 2',
    'content_block_delta 2',
    'content_block_delta 2',
    'content_block_stop 2',
    'message_delta ',
    'message_stop ',
  ])
})

test('calls that a server numbers alike are told apart by their ids', () => {
  const stream = [call(0, '{"a":1}', oslo), call(0, '{}', time), chunk({}, 'stop'), done].join('')
  const { events, outcome } = translate(stream)
  const starts = events.filter(({ type }) => type === 'content_block_start')
  expect(starts.map(({ content_block: block }) => block.id)).toEqual(['call_a', 'call_b'])
  expect(events.at(-2).delta.stop_reason).toBe('tool_use')
  expect(outcome).toBe('complete')
})

test('words go out as they come, not when the answer is whole', () => {
  const translation = createStreamTranslation({ ...context, inputTokens: 12 })
  const first = translation.push(Buffer.from(chunk({ content: 'one ' })))
  expect(eventsOf(first.toString()).map(({ type }) => type)).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
  ])
  expect(eventsOf(first.toString())[0].message.usage.input_tokens).toBe(12)
  expect(translation.push(Buffer.from(': a comment\n\n'))).toHaveLength(0)
  expect(translation.push(Buffer.from(chunk({ content: 'two' }))).toString()).toContain('"two"')
  expect(translation.outcome).toBe('running')
})

test('a stream says the same wherever its bytes are cut', () => {
  for (const stream of [words, parallelCalls]) {
    const whole = translate(stream)
    expect(whole.outcome).toBe('complete')
    fc.assert(
      fc.property(fc.array(fc.nat()), (cuts) => {
        const { events, outcome } = translate(stream.replaceAll('\n', '\r\n'), cuts)
        expect({ outcome, text: accumulate(events) }).toEqual({
          outcome: 'complete',
          text: accumulate(whole.events),
        })
      }),
    )
  }
})

/** Everything said, block by block: where the deltas were cut does not matter. */
function accumulate(events: ReturnType<typeof eventsOf>): string[] {
  const blocks: string[] = []
  for (const { type, index, delta } of events) {
    if (type !== 'content_block_delta') continue
    blocks[index] = (blocks[index] ?? '') + (delta.text ?? delta.partial_json)
  }
  return blocks
}

test.each([
  ['in the middle of a word', chunk({ content: 'one ' })],
  ['before anything', ''],
  ['in the middle of an event', words.slice(0, words.indexOf('"stop"'))],
])('a stream that ends %s ends in an error, never in good order', (_where, stream) => {
  const { events, outcome, text } = translate(stream)
  expect(outcome).toBe('failed')
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } })
  expect(text).not.toContain('message_stop')
})

test('a stream that only lacks its last line is complete', () => {
  const { outcome, events } = translate(words.replace(done, ''))
  expect(outcome).toBe('complete')
  expect(events.at(-1).type).toBe('message_stop')
})

test('an error in the stream arrives as an error, and nothing after it', async () => {
  const error = 'data: {"error":{"message":"Out of memory.","code":"server_overloaded"}}\n\n'
  const stream = [chunk({ content: 'one ' }), error, chunk({ content: 'two' }, 'stop'), done].join(
    '',
  )
  const { events, outcome } = translate(stream)
  expect(outcome).toBe('failed')
  expect(events.at(-1)).toEqual({
    type: 'error',
    error: { type: 'overloaded_error', message: 'Out of memory.' },
    request_id: 'req-1',
  })
  await expect(askThroughSdk(stream)).rejects.toThrow('Out of memory.')
})

test('"error": null is no error', () => {
  const stream = [chunk({ content: 'hi' }, 'stop', { error: null }), done].join('')
  expect(translate(stream).outcome).toBe('complete')
})

test.each([
  ['an event that is not JSON', 'data: {oops\n\n'],
  ['a chunk of another shape', 'data: {"choices":"none"}\n\n'],
  ['a fragment of a call that never began', call(3, '{}')],
  ['no answer at all', done],
])('%s is an upstream failure', (_what, stream) => {
  const { events, outcome } = translate(stream)
  expect(outcome).toBe('failed')
  expect(events.at(-1).type).toBe('error')
})

test('a call that is not whole fails the stream, unless the token limit cut it', () => {
  const half = call(0, '{"city":', oslo)
  expect(translate([half, chunk({}, 'tool_calls'), done].join('')).outcome).toBe('failed')
  const cut = translate([half, chunk({}, 'length'), done].join(''))
  expect(cut.outcome).toBe('complete')
  expect(cut.events.at(-2).delta.stop_reason).toBe('max_tokens')
})

test('a refusal is text that stops for refusal', () => {
  const { events } = translate([chunk({ refusal: 'No.' }), chunk({}, 'stop'), done].join(''))
  expect(accumulate(events)).toEqual(['No.'])
  expect(events.at(-2).delta.stop_reason).toBe('refusal')
})

test('usage is found where it is reported', () => {
  const expected = { inputTokens: 10, outputTokens: 2, cachedTokens: 4 }
  expect(translate(words).usage).toEqual(expected)
  const groq = {
    x_groq: { usage: { prompt_tokens: 10, completion_tokens: 2, prompt_cache_hit_tokens: 4 } },
  }
  expect(translate([chunk({}, 'stop', groq), done].join('')).usage).toEqual(expected)
  expect(translate([chunk({}, 'stop'), done].join('')).usage).toBeUndefined()
})
