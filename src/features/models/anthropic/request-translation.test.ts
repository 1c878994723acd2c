import type Anthropic from '@anthropic-ai/sdk'
import { expect, test } from 'vitest'
import { AppError } from '../../../lib/errors.ts'
import { translateRequest } from './request-translation.ts'

type Params = Anthropic.MessageCreateParams

const hello = [{ role: 'user', content: 'hello' }] as const

function translate(params: Partial<Params> | Record<string, unknown>) {
  const body = Buffer.from(
    JSON.stringify({ model: 'claude', max_tokens: 9, messages: hello, ...params }),
  )
  return JSON.parse(translateRequest(body, { model: 'gpt' }).body.toString())
}

function messagesOf(messages: Params['messages']) {
  return translate({ messages }).messages
}

function refusal(params: Record<string, unknown>): AppError {
  let thrown: unknown
  expect(() => {
    try {
      translate(params)
    } catch (error) {
      thrown = error
      throw error
    }
  }).toThrow(AppError)
  return thrown as AppError
}

test('a plain request keeps its meaning under the names of OpenAI', () => {
  const params = {
    system: 'Be brief.',
    temperature: 0.5,
    top_p: 0.9,
    stop_sequences: ['END'],
    metadata: { user_id: 'user-1' },
  }
  expect(translate(params)).toEqual({
    model: 'gpt',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hello' },
    ],
    max_tokens: 9,
    temperature: 0.5,
    top_p: 0.9,
    stop: ['END'],
    user: 'user-1',
  })
})

test('a stream is asked for together with its usage', () => {
  const body = Buffer.from(JSON.stringify({ max_tokens: 1, messages: hello, stream: true }))
  const translated = translateRequest(body, {
    model: 'gpt',
    maxTokensField: 'max_completion_tokens',
  })
  expect(translated.stream).toBe(true)
  expect(JSON.parse(translated.body.toString())).toMatchObject({
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: 1,
  })
})

test('a user id longer than OpenAI accepts is hashed, not cut', () => {
  const user = translate({ metadata: { user_id: 'u'.repeat(65) } }).user
  expect(user).toMatch(/^[0-9a-f]{64}$/)
  expect(translate({ metadata: { user_id: 'v'.repeat(65) } }).user).not.toBe(user)
})

test('blocks of text become one string, for many servers take nothing else', () => {
  const system: Anthropic.TextBlockParam[] = [
    { type: 'text', text: 'One.', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'Two.' },
  ]
  expect(translate({ system }).messages[0]).toEqual({ role: 'system', content: 'One.\n\nTwo.' })
})

test('images go as URLs between the texts around them', () => {
  const [message] = messagesOf([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'before' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        { type: 'text', text: 'after' },
      ],
    },
  ])
  expect(message.content).toEqual([
    { type: 'text', text: 'before' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
    { type: 'text', text: 'after' },
  ])
})

test('tool calls and their results keep their order, results before what the user says', () => {
  const messages = messagesOf([
    { role: 'user', content: 'weather?' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'text', text: 'Let me see.' },
        { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Oslo' } },
        { type: 'tool_use', id: 't2', name: 'now', input: {} },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'snow' }] },
        { type: 'tool_result', tool_use_id: 't2', content: 'no clock', is_error: true },
        { type: 'text', text: 'And now?' },
      ],
    },
  ])
  const call = (id: string, name: string, text: string) => {
    return { id, type: 'function', function: { name, arguments: text } }
  }
  expect(messages.slice(1)).toEqual([
    {
      role: 'assistant',
      content: 'Let me see.',
      tool_calls: [call('t1', 'weather', '{"city":"Oslo"}'), call('t2', 'now', '{}')],
    },
    { role: 'tool', tool_call_id: 't1', content: 'snow' },
    { role: 'tool', tool_call_id: 't2', content: 'Error: no clock' },
    { role: 'user', content: 'And now?' },
  ])
})

test('an image in a tool result moves to the user message behind it', () => {
  const image = { type: 'url' as const, url: 'https://example.com/shot.png' }
  const messages = messagesOf([
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'image', source: image }] },
      ],
    },
  ])
  expect(messages).toEqual([
    { role: 'tool', tool_call_id: 't1', content: '[image in the next user message]' },
    { role: 'user', content: [{ type: 'image_url', image_url: { url: image.url } }] },
  ])
})

test('an assistant message of nothing but thinking disappears', () => {
  const thinking = { type: 'thinking' as const, thinking: 'hm', signature: 's' }
  const messages = messagesOf([...hello, { role: 'assistant', content: [thinking] }])
  expect(messages).toEqual([{ role: 'user', content: 'hello' }])
})

test('documents of text and search results are read as text', () => {
  const [message] = messagesOf([
    {
      role: 'user',
      content: [
        {
          type: 'document',
          title: 'Notes',
          source: { type: 'text', media_type: 'text/plain', data: 'a note' },
        },
        {
          type: 'search_result',
          title: 'Found',
          source: 'https://example.com',
          content: [{ type: 'text', text: 'a fact' }],
        },
      ],
    },
  ])
  expect(message.content).toBe('Notes\n\na note\n\nFound (https://example.com)\n\na fact')
})

test('integers too large for a double survive in the arguments of a call', () => {
  const text = `{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"id":9007199254740993}}]}]}`
  const { body } = translateRequest(Buffer.from(text), { model: 'gpt' })
  expect(JSON.parse(body.toString()).messages[0].tool_calls[0].function.arguments).toBe(
    '{"id":9007199254740993}',
  )
})

test.each([
  [{ type: 'auto' }, 'auto'],
  [{ type: 'any' }, 'required'],
  [{ type: 'none' }, 'none'],
  [
    { type: 'tool', name: 'weather' },
    { type: 'function', function: { name: 'weather' } },
  ],
])('tool choice %j becomes %j', (choice, expected) => {
  const tools = [{ name: 'weather', description: 'Tells it.', input_schema: { type: 'object' } }]
  const translated = translate({ tools, tool_choice: choice })
  expect(translated.tool_choice).toEqual(expected)
  expect(translated.tools).toEqual([
    {
      type: 'function',
      function: { name: 'weather', description: 'Tells it.', parameters: { type: 'object' } },
    },
  ])
  expect(translated).not.toHaveProperty('parallel_tool_calls')
})

test('parallel calls can be switched off, and a choice without tools is dropped', () => {
  const tool_choice = { type: 'auto', disable_parallel_tool_use: true }
  const tools = [{ name: 'weather', input_schema: { type: 'object' } }]
  expect(translate({ tools, tool_choice }).parallel_tool_calls).toBe(false)
  const without = translate({ tool_choice })
  expect(without).not.toHaveProperty('tool_choice')
  expect(without).not.toHaveProperty('parallel_tool_calls')
})

test('a wanted output schema becomes a response format', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  const expected = { type: 'json_schema', json_schema: { name: 'output', schema, strict: true } }
  const format = { type: 'json_schema', schema }
  expect(translate({ output_config: { format } }).response_format).toEqual(expected)
  expect(translate({ output_format: format }).response_format).toEqual(expected)
})

test('tuning without a counterpart is left out', () => {
  const tuning = {
    top_k: 5,
    thinking: { type: 'enabled', budget_tokens: 2000 },
    service_tier: 'auto',
    context_management: { edits: [] },
    mcp_servers: [],
    container: null,
  }
  expect(translate(tuning)).toEqual(translate({}))
})

test.each([
  [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'web_search_20250305'],
  [{ mcp_servers: [{ type: 'url', url: 'https://x', name: 'x' }] }, 'mcp_servers'],
  [{ container: 'c1' }, 'container'],
  [{ inference_geo: 'us' }, 'inference_geo'],
  [
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'document', source: { type: 'base64', media_type: 'application/pdf' } },
          ],
        },
      ],
    },
    'messages[0].content[0].source.type: "base64"',
  ],
  [
    { messages: [{ role: 'assistant', content: [{ type: 'server_tool_use' }] }] },
    'messages[0].content[0].type: "server_tool_use"',
  ],
])('%j is refused by name, for the answer would not be what was asked for', (params, named) => {
  const error = refusal(params)
  expect(error.code).toBe('unsupported_translation')
  expect(error.message).toContain(named)
})

test.each([
  [{ max_tokens: undefined }, 'max_tokens'],
  [{ messages: [] }, 'messages'],
  [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
  [{ messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages[0].content[0].type'],
])('%j is malformed, and the message says where', (params, param) => {
  const error = refusal(params)
  expect(error.code).toBe('invalid_request')
  expect(error.details.param).toBe(param)
})

test('an image URL of another scheme is refused', () => {
  const source = { type: 'url', url: 'file:///etc/passwd' }
  const content = [{ type: 'image', source }]
  expect(refusal({ messages: [{ role: 'user', content }] }).code).toBe('invalid_request')
})
