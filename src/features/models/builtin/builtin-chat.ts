import { z } from 'zod'
import type { BuiltinCompletion, BuiltinPrompt } from './builtin-models.ts'

/** Text of a message, given as a string or in parts; parts that are no text count as none. */
export const MessageText = z
  .union([z.string(), z.array(z.looseObject({ text: z.string().nullish() }))])
  .nullish()
  .transform((content) => {
    if (typeof content === 'string') return content
    return (content ?? []).map((part) => part.text ?? '').join('')
  })

/** A limit on the tokens of an answer. */
export const TokensMax = z.int().positive().nullish()

/** The part of a streaming request that says whether usage comes in the stream. */
export const StreamOptions = z.object({ include_usage: z.boolean().nullish() }).nullish()

/** What is read of a chat/completions request; all else is ignored. */
export const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: MessageText })).min(1),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions,
  max_tokens: TokensMax,
  max_completion_tokens: TokensMax,
})

/** The prompt in a chat/completions request. */
export function chatPrompt(request: z.output<typeof ChatRequest>): BuiltinPrompt {
  return {
    model: request.model,
    texts: request.messages.map((message) => message.content),
    question: request.messages.findLast((message) => message.role === 'user')?.content ?? '',
    tokensMax: request.max_completion_tokens ?? request.max_tokens ?? undefined,
  }
}

/** The whole answer as a `chat.completion`. */
export function chatCompletion(id: string, completion: BuiltinCompletion): object {
  const message = { role: 'assistant', content: completion.tokens.join(''), refusal: null }
  return {
    ...chatHead(id, 'chat.completion', completion),
    choices: [{ index: 0, message, logprobs: null, finish_reason: completion.finishReason }],
    usage: chatUsage(completion),
  }
}

/** The answer as `chat.completion.chunk` events: the role, one a token, the end, usage if asked for, `[DONE]`. */
export function* chatEvents(
  id: string,
  completion: BuiltinCompletion,
  includeUsage: boolean,
): Generator<string> {
  const head = chatHead(id, 'chat.completion.chunk', completion)
  const noUsage = includeUsage ? { usage: null } : {}
  const chunk = (delta: object, finishReason: string | null = null) =>
    dataEvent({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
      ...noUsage,
    })
  yield chunk({ role: 'assistant', content: '', refusal: null })
  for (const token of completion.tokens) yield chunk({ content: token })
  yield chunk({}, completion.finishReason)
  if (includeUsage) yield dataEvent({ ...head, choices: [], usage: chatUsage(completion) })
  yield 'data: [DONE]\n\n'
}

/** Usage as chat/completions and completions report it. */
export function chatUsage(completion: BuiltinCompletion): object {
  return {
    prompt_tokens: completion.inputTokens,
    completion_tokens: completion.tokens.length,
    total_tokens: completion.inputTokens + completion.tokens.length,
  }
}

/** The fields with which every object of a chat answer begins. */
export function chatHead(id: string, object: string, completion: BuiltinCompletion): object {
  return {
    id,
    object,
    created: completion.createdAt,
    model: completion.model,
    system_fingerprint: 'portico-builtin',
  }
}

/** One unnamed server-sent event. */
export function dataEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}
