import { z } from 'zod'
import { chatHead, chatUsage, dataEvent, StreamOptions, TokensMax } from './builtin-chat.ts'
import type { BuiltinCompletion, BuiltinPrompt } from './builtin-models.ts'

/** What is read of a legacy completions request: one prompt, as text. */
export const CompletionsRequest = z.object({
  model: z.string(),
  prompt: z.union([z.string(), z.tuple([z.string()]).transform(([text]) => text)]),
  stream: z.boolean().nullish(),
  stream_options: StreamOptions,
  max_tokens: TokensMax,
})

/** The prompt in a completions request. */
export function completionsPrompt(request: z.output<typeof CompletionsRequest>): BuiltinPrompt {
  return {
    model: request.model,
    texts: [request.prompt],
    question: request.prompt,
    tokensMax: request.max_tokens ?? undefined,
  }
}

/** The whole answer as a `text_completion`. */
export function textCompletion(id: string, completion: BuiltinCompletion): object {
  return {
    ...chatHead(id, 'text_completion', completion),
    choices: [choice(completion.tokens.join(''), completion.finishReason)],
    usage: chatUsage(completion),
  }
}

/** The answer as `text_completion` events: one a token, the end, usage if asked for, `[DONE]`. */
export function* textEvents(
  id: string,
  completion: BuiltinCompletion,
  includeUsage: boolean,
): Generator<string> {
  const head = chatHead(id, 'text_completion', completion)
  const noUsage = includeUsage ? { usage: null } : {}
  for (const token of completion.tokens) {
    yield dataEvent({ ...head, choices: [choice(token, null)], ...noUsage })
  }
  yield dataEvent({ ...head, choices: [choice('', completion.finishReason)], ...noUsage })
  if (includeUsage) yield dataEvent({ ...head, choices: [], usage: chatUsage(completion) })
  yield 'data: [DONE]\n\n'
}

function choice(text: string, finishReason: string | null): object {
  return { index: 0, text, logprobs: null, finish_reason: finishReason }
}
