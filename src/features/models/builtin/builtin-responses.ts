import { z } from 'zod'
import { MessageText, TokensMax } from './builtin-chat.ts'
import type { BuiltinCompletion, BuiltinPrompt } from './builtin-models.ts'

/** An input item; those without a role (tool calls and their results, reasoning) carry no question. */
const InputItem = z.looseObject({ role: z.string().nullish(), content: MessageText })

/** What is read of a responses request. Nothing is stored, so `previous_response_id` finds nothing and is ignored. */
export const ResponsesRequest = z.object({
  model: z.string(),
  input: z.union([
    z.string().transform((content) => [{ role: 'user', content }]),
    z.array(InputItem),
  ]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  max_output_tokens: TokensMax,
})

/** The prompt in a responses request. */
export function responsesPrompt(request: z.output<typeof ResponsesRequest>): BuiltinPrompt {
  return {
    model: request.model,
    texts: [request.instructions ?? '', ...request.input.map((item) => item.content)],
    question: request.input.findLast((item) => item.role === 'user')?.content ?? '',
    tokensMax: request.max_output_tokens ?? undefined,
  }
}

/** The whole answer as a `response`: `completed`, or `incomplete` when the token limit cut it. */
export function responseObject(id: string, completion: BuiltinCompletion): object {
  const cut = completion.finishReason === 'length'
  const status = cut ? 'incomplete' : 'completed'
  return {
    ...responseHead(id, completion),
    status,
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    output: [messageItem(id, status, [textPart(completion.tokens.join(''))])],
    usage: {
      input_tokens: completion.inputTokens,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: completion.tokens.length,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: completion.inputTokens + completion.tokens.length,
    },
  }
}

/** The answer as events, `response.created` to `response.completed` or `response.incomplete`, one delta a token. */
export function* responseEvents(id: string, completion: BuiltinCompletion): Generator<string> {
  let sequence = 0
  const event = (type: string, fields: object) => {
    const data = JSON.stringify({ type, ...fields, sequence_number: sequence++ })
    return `event: ${type}\ndata: ${data}\n\n`
  }
  const whole = responseObject(id, completion)
  const started = { ...responseHead(id, completion), status: 'in_progress', output: [] }
  const part = { item_id: messageId(id), output_index: 0, content_index: 0 }
  const text = completion.tokens.join('')
  const status = completion.finishReason === 'length' ? 'incomplete' : 'completed'

  yield event('response.created', { response: started })
  yield event('response.in_progress', { response: started })
  const empty = messageItem(id, 'in_progress', [])
  yield event('response.output_item.added', { output_index: 0, item: empty })
  yield event('response.content_part.added', { ...part, part: textPart('') })
  for (const delta of completion.tokens) {
    yield event('response.output_text.delta', { ...part, delta, logprobs: [] })
  }
  yield event('response.output_text.done', { ...part, text, logprobs: [] })
  yield event('response.content_part.done', { ...part, part: textPart(text) })
  const item = messageItem(id, status, [textPart(text)])
  yield event('response.output_item.done', { output_index: 0, item })
  yield event(`response.${status}`, { response: whole })
}

function responseHead(id: string, completion: BuiltinCompletion): object {
  return {
    id,
    object: 'response',
    created_at: completion.createdAt,
    model: completion.model,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    parallel_tool_calls: false,
    previous_response_id: null,
    store: false,
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'none',
    tools: [],
    top_p: null,
    truncation: 'disabled',
    usage: null,
  }
}

function messageItem(id: string, status: string, content: readonly object[]): object {
  return { id: messageId(id), type: 'message', role: 'assistant', status, content }
}

function messageId(responseId: string): string {
  return responseId.replace('resp_', 'msg_')
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}
