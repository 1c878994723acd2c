import { z } from 'zod'
import type { TokenUsage } from '../relay/usage-tap.ts'

/** Usage as chat/completions reports it, with the names some vendors give to cached input. */
export const ChatUsage = z
  .object({
    prompt_tokens: z.number().nullish(),
    completion_tokens: z.number().nullish(),
    prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
    prompt_cache_hit_tokens: z.number().nullish(),
  })
  .transform((usage): TokenUsage => {
    const cached = usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens
    return {
      inputTokens: usage.prompt_tokens ?? 0,
      outputTokens: usage.completion_tokens ?? 0,
      cachedTokens: cached ?? 0,
    }
  })
  .nullish()

/** How a choice ended, as the upstream tells it. */
export const ChatEnding = {
  finish_reason: z.string().nullish(),
  /** vLLM and its kin name the stop sequence that was met. */
  stop_reason: z.unknown().optional(),
}

/** How an Anthropic message ended. */
export interface Ending {
  readonly stop_reason: string
  readonly stop_sequence: string | null
}

/**
 * The ending of a message. Servers disagree on `stop` after tool calls, so calls decide; a reason that is not known
 * reads as an ordinary end.
 */
export function translateEnding(
  choice: { finish_reason?: string | null | undefined; stop_reason?: unknown },
  { hasCalls, isRefusal }: { hasCalls: boolean; isRefusal: boolean },
): Ending {
  const { finish_reason: reason, stop_reason: stopSequence } = choice
  if (reason === 'length') return ending('max_tokens')
  if (reason === 'content_filter' || isRefusal) return ending('refusal')
  if (hasCalls) return ending('tool_use')
  if (typeof stopSequence === 'string') return ending('stop_sequence', stopSequence)
  return ending('end_turn')
}

function ending(reason: string, stopSequence: string | null = null): Ending {
  return { stop_reason: reason, stop_sequence: stopSequence }
}

/** Anthropic's usage object. It counts cached input beside `input_tokens`, OpenAI inside; unreported usage is 0. */
export function translateUsage(usage: TokenUsage | null | undefined): {
  input_tokens: number
  cache_creation_input_tokens: number
  cache_read_input_tokens: number
  output_tokens: number
} {
  const { inputTokens = 0, outputTokens = 0, cachedTokens = 0 } = usage ?? {}
  return {
    input_tokens: Math.max(0, inputTokens - cachedTokens),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
  }
}

/** A message id in Anthropic's form that still shows the upstream's own, or else ours of the request. */
export function messageId(upstreamId: string | null | undefined, requestId: string): string {
  return `msg_${(upstreamId || requestId).replace(/^(chatcmpl|msg)[-_]/, '')}`
}
