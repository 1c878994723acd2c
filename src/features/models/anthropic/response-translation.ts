import { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import { parseJson } from '../json-body.ts'
import type { TokenUsage } from '../relay/usage-tap.ts'
import { translateErrorValue } from './error-translation.ts'
import { ChatEnding, ChatUsage, messageId, translateEnding, translateUsage } from './chat-answer.ts'

const ToolCall = z.object({
  id: z.string(),
  function: z.object({ name: z.string(), arguments: z.string().nullish() }),
})

const ChatCompletion = z.object({
  id: z.string().nullish(),
  choices: z
    .array(
      z.object({
        ...ChatEnding,
        message: z.object({
          content: z.string().nullish(),
          refusal: z.string().nullish(),
          tool_calls: z.array(ToolCall).nullish(),
        }),
      }),
    )
    .min(1),
  usage: ChatUsage,
})

/** What a translated answer says that the upstream's does not. */
export interface AnswerContext {
  /** The model's name as the client knows it. */
  readonly model: string
  readonly requestId: string
}

/** An Anthropic message, and the usage in it as the upstream reported it. */
export interface TranslatedResponse {
  readonly body: Buffer
  readonly usage: TokenUsage | undefined
}

/**
 * Writes a chat completion as an Anthropic message. Reasoning text is left out: as a thinking block it would need a
 * signature. A tool call that the token limit cut off is left out, too; any other call whose arguments are no JSON
 * object is an error, for a call with arguments missing could do something that nobody asked for.
 * Throws `upstream_failed`.
 */
export function translateResponse(body: Uint8Array, context: AnswerContext): TranslatedResponse {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  const value = parseJson(text)
  const completion = ChatCompletion.safeParse(value).data
  const choice = completion?.choices[0]
  if (completion === undefined || choice === undefined) {
    const error = translateErrorValue(value)
    const said = error === undefined ? '' : `, but with an error: ${error.message}`
    throw new AppError(
      'upstream_failed',
      `The provider did not answer with a chat completion${said}`,
    )
  }
  const { content, refusal, tool_calls: calls } = choice.message
  const words = content || refusal
  const isCut = choice.finish_reason === 'length'
  const blocks = (calls ?? []).flatMap((call) => toolUse(call, isCut))
  const translated = {
    id: messageId(completion.id, context.requestId),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content: [...(words ? [{ type: 'text', text: words, citations: null }] : []), ...blocks],
    ...translateEnding(choice, { hasCalls: blocks.length > 0, isRefusal: Boolean(refusal) }),
    usage: translateUsage(completion.usage),
  }
  return { body: Buffer.from(JSON.stringify(translated)), usage: completion.usage ?? undefined }
}

function toolUse(call: z.output<typeof ToolCall>, isCut: boolean): object[] {
  // A tool without parameters is often called with no text at all.
  const input = parseJson(call.function.arguments?.trim() || '{}')
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
    return [{ type: 'tool_use', id: call.id, name: call.function.name, input }]
  }
  if (isCut) return []
  throw new AppError(
    'upstream_failed',
    `The model called the tool ${JSON.stringify(call.function.name)} with arguments that are not a JSON object.`,
  )
}
