import type { ChatMessage } from './message-translation.ts'
import { CountTokensRequest } from './request-schema.ts'
import { readRequest, translateMessages, translateTools } from './request-translation.ts'

/** Byte-pair encodings take about four bytes of English, and of JSON, to a token. */
const bytesPerToken = 4
/** Role and delimiters around every message. */
const tokensPerMessage = 4
/** An image costs from 85 to about 1,600 tokens by size and model; its size is not known without decoding it. */
const tokensPerImage = 1000

/**
 * Answers a count_tokens request for a provider that has no such route, with an estimate: a token for every four UTF-8
 * bytes of the messages and tools as they would be sent, four a message, and 1,000 an image.
 * Throws what translating the request would throw.
 */
export function estimateTokens(body: Uint8Array): { input_tokens: number } {
  const request = readRequest(CountTokensRequest, body)
  const messages = translateMessages(request)
  let textBytes = Buffer.byteLength(JSON.stringify(translateTools(request.tools) ?? ''))
  let images = 0
  for (const message of messages) {
    for (const part of partsOf(message)) {
      if (part.type === 'text') textBytes += Buffer.byteLength(part.text)
      else images += 1
    }
  }
  const tokens = textBytes / bytesPerToken
  return {
    input_tokens: Math.ceil(tokens) + tokensPerMessage * messages.length + tokensPerImage * images,
  }
}

type Counted = { type: 'text'; text: string } | { type: 'image_url' }

function partsOf(message: ChatMessage): readonly Counted[] {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : []
  const content = message.content ?? ''
  return [
    ...(typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content),
    ...calls.map((call) => ({ type: 'text' as const, text: JSON.stringify(call.function) })),
  ]
}
