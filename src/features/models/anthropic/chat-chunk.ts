import { z } from 'zod'
import { ChatEnding, ChatUsage } from './chat-answer.ts'
import type { CallFragment } from './content-blocks.ts'

const Fragment = z
  .object({
    index: z.int().nullish(),
    id: z.string().nullish(),
    function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
  })
  .transform(({ index, id, function: called }): CallFragment => {
    const { name, arguments: text } = called ?? {}
    return { index: index ?? 0, id: id ?? '', name: name ?? '', text: text ?? '' }
  })

const Choice = z.object({
  ...ChatEnding,
  delta: z
    .object({
      content: z.string().nullish(),
      refusal: z.string().nullish(),
      tool_calls: z.array(Fragment).nullish(),
    })
    .nullish(),
})

/** What is read of one event of a chat/completions stream. The last one with usage in it may have no choices. */
export const ChatChunk = z
  .object({
    id: z.string().nullish(),
    choices: z.array(Choice).nullish(),
    usage: ChatUsage,
    // Groq's own place for it.
    x_groq: z.object({ usage: ChatUsage }).nullish(),
  })
  .transform(({ id, choices, usage, x_groq: groq }) => ({
    id,
    choice: choices?.[0],
    usage: usage ?? groq?.usage ?? undefined,
  }))

/** One event of a chat stream. */
export type ChatChunk = z.output<typeof ChatChunk>
