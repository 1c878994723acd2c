import { z } from 'zod'

const Text = z.object({ type: z.literal('text'), text: z.string() })

const Image = z.object({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('base64'), media_type: z.string(), data: z.string() }),
    z.object({ type: z.literal('url'), url: z.string() }),
  ]),
})

const Document = z.object({
  type: z.literal('document'),
  title: z.string().nullish(),
  source: z.discriminatedUnion('type', [
    z.object({ type: z.literal('text'), data: z.string() }),
    z.object({ type: z.literal('content'), content: blocksOf(Text, Image) }),
  ]),
})

const SearchResult = z.object({
  type: z.literal('search_result'),
  title: z.string(),
  source: z.string(),
  content: z.array(Text),
})

const ToolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: blocksOf(Text, Image, Document, SearchResult).optional(),
  is_error: z.boolean().nullish(),
})

const ToolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.unknown().optional(),
})

const Message = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('user'),
    content: blocksOf(Text, Image, Document, SearchResult, ToolResult),
  }),
  z.object({
    role: z.literal('assistant'),
    content: blocksOf(
      Text,
      ToolUse,
      z.object({ type: z.literal('thinking') }),
      z.object({ type: z.literal('redacted_thinking') }),
    ),
  }),
  z.object({ role: z.literal('system'), content: blocksOf(Text) }),
])

const Tool = z.object({
  type: z.literal('custom'),
  name: z.string(),
  description: z.string().nullish(),
  input_schema: z.looseObject({}),
  strict: z.boolean().nullish(),
})

const parallel = { disable_parallel_tool_use: z.boolean().nullish() }

const ToolChoice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('auto'), ...parallel }),
  z.object({ type: z.literal('any'), ...parallel }),
  z.object({ type: z.literal('tool'), name: z.string(), ...parallel }),
  z.object({ type: z.literal('none') }),
])

const OutputFormat = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('json_schema'), schema: z.looseObject({}) }),
  ])
  .nullish()

/**
 * What is read of a messages request; fields that are not named here have no counterpart (the table in
 * `request-translation.ts` says which and why). Strings in place of blocks come out as one text block.
 */
export const MessagesRequest = z.object({
  messages: z.array(Message).min(1),
  system: blocksOf(Text).nullish(),
  max_tokens: z.int().positive(),
  stop_sequences: z.array(z.string()).nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  stream: z.boolean().nullish(),
  metadata: z.object({ user_id: z.string().nullish() }).nullish(),
  // Tools of the client's own may leave the type out; Anthropic's never do.
  tools: z.array(z.preprocess(withCustomType, z.discriminatedUnion('type', [Tool]))).nullish(),
  tool_choice: ToolChoice.nullish(),
  output_config: z.object({ format: OutputFormat }).nullish(),
  output_format: OutputFormat,
  mcp_servers: z.array(z.unknown()).nullish(),
  container: z.unknown().optional(),
  inference_geo: z.unknown().optional(),
})

/** A messages request after parsing. */
export type MessagesRequest = z.output<typeof MessagesRequest>

/** What a count_tokens request has: the same, without an answer to limit. */
export const CountTokensRequest = MessagesRequest.omit({ max_tokens: true })

/** One message of the conversation. */
export type Message = z.output<typeof Message>
/** A block that stands for something to read or to look at. */
export type ContentBlock = z.output<
  typeof Text | typeof Image | typeof Document | typeof SearchResult
>
/** The result of a tool call. */
export type ToolResult = z.output<typeof ToolResult>

type BlockSchema = z.ZodObject<{ type: z.ZodLiteral<string> }>

function blocksOf<const Schemas extends readonly [BlockSchema, ...BlockSchema[]]>(
  ...schemas: Schemas
) {
  return z.preprocess(
    (content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content),
    z.array(z.discriminatedUnion('type', schemas)),
  )
}

function withCustomType(tool: unknown): unknown {
  const isUntyped = typeof tool === 'object' && tool !== null && !('type' in tool && tool.type)
  return isUntyped ? { ...tool, type: 'custom' } : tool
}
