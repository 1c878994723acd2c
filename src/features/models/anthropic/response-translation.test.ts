import { expect, test } from 'vitest'
import { translateResponse } from './response-translation.ts'

const context = { model: 'claude', requestId: 'req-1' }

function translate(completion: object | string) {
  const text = typeof completion === 'string' ? completion : JSON.stringify(completion)
  const { body, usage } = translateResponse(Buffer.from(text), context)
  return { message: JSON.parse(body.toString()), usage }
}

function answer(message: object, finishReason = 'stop', rest: object = {}) {
  return {
    id: 'chatcmpl-7',
    choices: [{ index: 0, message, finish_reason: finishReason }],
    ...rest,
  }
}

function calling(name: string, text: string, finishReason = 'tool_calls') {
  const call = { id: 'call_1', type: 'function', function: { name, arguments: text } }
  return answer({ role: 'assistant', content: null, tool_calls: [call] }, finishReason)
}

test('an answer in words becomes a message, with cached input counted beside the rest', () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 7,
    prompt_tokens_details: { cached_tokens: 60 },
  }
  const translated = translate(answer({ role: 'assistant', content: 'Hi.' }, 'stop', { usage }))
  expect(translated.message).toEqual({
    id: 'msg_7',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [{ type: 'text', text: 'Hi.', citations: null }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: {
      input_tokens: 40,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 60,
      output_tokens: 7,
    },
  })
  expect(translated.usage).toEqual({ inputTokens: 100, outputTokens: 7, cachedTokens: 60 })
})

test('tool calls become blocks with parsed input, digits and all', () => {
  const { message } = translate(calling('find', '{"id":9007199254740993}'))
  expect(message.stop_reason).toBe('tool_use')
  const { body } = translateResponse(
    Buffer.from(JSON.stringify(calling('find', '{"id":9007199254740993}'))),
    context,
  )
  expect(body.toString()).toContain(
    '{"type":"tool_use","id":"call_1","name":"find","input":{"id":9007199254740993}}',
  )
})

test('a call without arguments has empty input', () => {
  expect(translate(calling('now', '')).message.content).toEqual([
    { type: 'tool_use', id: 'call_1', name: 'now', input: {} },
  ])
})

test('a call whose arguments are not an object is an error, not a call with nothing in it', () => {
  expect(() => translate(calling('drop', '{"only":'))).toThrow('"drop"')
  expect(() => translate(calling('drop', '[1]'))).toThrow('"drop"')
})

test('a call that the token limit cut off is left out', () => {
  const { message } = translate(calling('drop', '{"only":', 'length'))
  expect(message).toMatchObject({ content: [], stop_reason: 'max_tokens' })
})

test.each([
  [answer({ content: 'x' }, 'length'), 'max_tokens'],
  [answer({ content: 'x' }, 'content_filter'), 'refusal'],
  [answer({ content: null, refusal: 'No.' }), 'refusal'],
  [calling('now', '{}', 'stop'), 'tool_use'],
  [answer({ content: 'x' }, 'something_new'), 'end_turn'],
])('%j stops for the reason %s', (completion, reason) => {
  expect(translate(completion).message.stop_reason).toBe(reason)
})

test('a stop sequence that the server names is named', () => {
  const choices = [{ message: { content: 'x' }, finish_reason: 'stop', stop_reason: 'END' }]
  const { message } = translate({ choices })
  expect(message).toMatchObject({
    stop_reason: 'stop_sequence',
    stop_sequence: 'END',
    id: 'msg_req-1',
  })
})

test('anything that is not a chat completion is an upstream failure', () => {
  for (const body of ['<html>', '{"choices":[]}', '{"error":{"message":"x"}}', 'null']) {
    expect(() => translate(body)).toThrow(expect.objectContaining({ code: 'upstream_failed' }))
  }
})
