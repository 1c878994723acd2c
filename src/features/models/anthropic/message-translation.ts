import { AppError } from '../../../lib/errors.ts'
import type { ContentBlock, Message, ToolResult } from './request-schema.ts'

/** A message of a chat/completions request. */
export type ChatMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: string | ChatPart[] }
  | { role: 'assistant'; content: string | null; tool_calls?: ChatToolCall[] }
  | { role: 'tool'; tool_call_id: string; content: string }

type ChatPart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } }

interface ChatToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

/** Stands between two blocks of text that become one string: many servers take no arrays where there is only text. */
const blockSeparator = '\n\n'

/**
 * The chat messages that say the same as one Anthropic message: none for a message of nothing but thinking, several
 * for tool results with text behind them.
 */
export function translateMessage(message: Message): ChatMessage[] {
  switch (message.role) {
    case 'system':
      return [systemMessage(message.content)]
    case 'assistant':
      return translateAssistant(message.content)
    case 'user':
      return translateUser(message.content)
  }
}

/** The system prompt as a chat message. */
export function systemMessage(blocks: readonly { text: string }[]): ChatMessage {
  return { role: 'system', content: joinTexts(blocks) }
}

type BlocksOf<Role> = Extract<Message, { role: Role }>['content']

/** Thinking is left out: chat/completions has no field in which it could be handed back. */
function translateAssistant(blocks: BlocksOf<'assistant'>): ChatMessage[] {
  const content = joinTexts(blocks.filter((block) => block.type === 'text')) || null
  const calls = blocks
    .filter((block) => block.type === 'tool_use')
    .map(({ id, name, input }): ChatToolCall => {
      return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } }
    })
  if (calls.length > 0) return [{ role: 'assistant', content, tool_calls: calls }]
  return content === null ? [] : [{ role: 'assistant', content }]
}

/** Results come first, for chat/completions wants them right behind the calls. */
function translateUser(blocks: BlocksOf<'user'>): ChatMessage[] {
  const messages: ChatMessage[] = []
  const parts: ChatPart[] = []
  for (const block of blocks) {
    if (block.type !== 'tool_result') continue
    const { text, images } = splitResult(block)
    messages.push({ role: 'tool', tool_call_id: block.tool_use_id, content: text })
    parts.push(...images)
  }
  for (const block of blocks) {
    if (block.type !== 'tool_result') parts.push(...translateBlock(block))
  }
  if (parts.length > 0) messages.push({ role: 'user', content: textOrParts(parts) })
  return messages
}

/** A tool message holds text only, so images move into the user message behind it, and the text says where they went. */
function splitResult(result: ToolResult): { text: string; images: ChatPart[] } {
  const parts = (result.content ?? []).flatMap(translateBlock)
  const images = parts.filter((part) => part.type !== 'text')
  const texts = parts.filter((part) => part.type === 'text')
  if (images.length > 0) texts.push({ type: 'text', text: '[image in the next user message]' })
  const text = joinTexts(texts)
  // There is no flag for failure either.
  return { text: result.is_error === true ? `Error: ${text}` : text, images }
}

function translateBlock(block: ContentBlock): ChatPart[] {
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: block.text }]
    case 'image':
      return [{ type: 'image_url', image_url: { url: imageUrl(block.source) } }]
    case 'search_result': {
      const heading = { text: `${block.title} (${block.source})` }
      return [{ type: 'text', text: joinTexts([heading, ...block.content]) }]
    }
    case 'document': {
      const title = block.title ? [{ type: 'text' as const, text: block.title }] : []
      return [...title, ...documentParts(block.source)]
    }
  }
}

function documentParts(source: Extract<ContentBlock, { type: 'document' }>['source']): ChatPart[] {
  if (source.type === 'text') return [{ type: 'text', text: source.data }]
  return source.content.flatMap(translateBlock)
}

function imageUrl(source: Extract<ContentBlock, { type: 'image' }>['source']): string {
  if (source.type === 'base64') return `data:${source.media_type};base64,${source.data}`
  // The provider fetches it, not we; still, nothing but the web is meant here.
  if (/^https?:\/\//i.test(source.url)) return source.url
  throw new AppError('invalid_request', 'The URL of an image must begin with https:// or http://.')
}

function textOrParts(parts: ChatPart[]): string | ChatPart[] {
  const texts = parts.filter((part) => part.type === 'text')
  return texts.length === parts.length ? joinTexts(texts) : parts
}

function joinTexts(blocks: readonly { text: string }[]): string {
  return blocks.map((block) => block.text).join(blockSeparator)
}
