import { hash } from 'node:crypto'
import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import { describeIssues, parseJson } from '../json-body.ts'
import { type ChatMessage, systemMessage, translateMessage } from './message-translation.ts'
import { MessagesRequest } from './request-schema.ts'

/** OpenAI refuses a longer `user`. */
const userLengthMax = 64

/** How a request is written for one provider. */
export interface RequestTarget {
  /** The model name to send. */
  readonly model: string
  /** Newer OpenAI models insist on `max_completion_tokens`; most other servers know only the older name, the default. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
}

/** A chat/completions request, ready to send. */
export interface TranslatedRequest {
  readonly body: Buffer
  /** The client asked for a stream, and the upstream is asked for one with usage in it. */
  readonly stream: boolean
}

/**
 * Writes an Anthropic messages request as a chat/completions request.
 *
 * | field | becomes |
 * |---|---|
 * | `system`, `messages` | `messages`, see `message-translation.ts` |
 * | `tools`, `tool_choice` | `tools`, `tool_choice`; `disable_parallel_tool_use` → `parallel_tool_calls: false` |
 * | `max_tokens`, `stop_sequences`, `temperature`, `top_p` | the same, under OpenAI's names |
 * | `stream` | `stream` with `stream_options.include_usage` |
 * | `metadata.user_id` | `user`; its SHA-256 where it is longer than OpenAI accepts |
 * | `output_config.format`, `output_format` | `response_format` |
 * | `top_k`, `thinking`, `output_config.effort` | left out: tuning without a counterpart that every server accepts |
 * | `cache_control`, `service_tier`, `speed`, `context_management`, `citations` | left out: they change cost, speed or form, not what is asked |
 * | `mcp_servers` (not empty), `container`, `inference_geo`, tools that run at Anthropic, files, PDFs | refused: the answer would not be what was asked for |
 * | anything else | left out: the provider would read it as a field of its own |
 *
 * Throws `invalid_request`, or `unsupported_translation` for what is refused, naming it.
 */
export function translateRequest(body: Uint8Array, target: RequestTarget): TranslatedRequest {
  const request = readRequest(MessagesRequest, body)
  refuseHosted(request)
  const stream = request.stream === true
  const translated = {
    model: target.model,
    messages: translateMessages(request),
    [target.maxTokensField ?? 'max_tokens']: request.max_tokens,
    ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    temperature: request.temperature ?? undefined,
    top_p: request.top_p ?? undefined,
    stop: request.stop_sequences?.length ? request.stop_sequences : undefined,
    user: translateUserId(request.metadata?.user_id),
    response_format: translateFormat(request.output_config?.format ?? request.output_format),
    tools: translateTools(request.tools),
    ...translateToolChoice(request),
  }
  return { body: Buffer.from(JSON.stringify(translated)), stream }
}

/** Reads an Anthropic request body. Throws `invalid_request`, or `unsupported_translation` for a type that is not in the schema. */
export function readRequest<Schema extends z.ZodType>(
  schema: Schema,
  body: Uint8Array,
): z.output<Schema> {
  const value = parseJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
  if (value === undefined) throw new AppError('invalid_request', 'The body is not valid JSON.')
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw (
    unknownKind(value, result.error) ??
    new AppError('invalid_request', ...describeIssues(result.error))
  )
}

/** The conversation as chat messages, the system prompt first. */
export function translateMessages({
  system,
  messages,
}: Pick<MessagesRequest, 'system' | 'messages'>): ChatMessage[] {
  const first = system?.length ? [systemMessage(system)] : []
  return [...first, ...messages.flatMap(translateMessage)]
}

/** The tools as chat/completions knows them; `undefined` when there are none. */
export function translateTools(tools: MessagesRequest['tools']): object[] | undefined {
  if (!tools?.length) return undefined
  return tools.map(({ name, description, input_schema, strict }) => ({
    type: 'function',
    function: {
      name,
      description: description ?? undefined,
      parameters: input_schema,
      strict: strict ?? undefined,
    },
  }))
}

/** A block, a source or a tool of a type that is not in the schema is nothing malformed; it only cannot be said to OpenAI. */
function unknownKind(body: unknown, error: z.ZodError): AppError | undefined {
  for (const issue of error.issues) {
    if (issue.code !== 'invalid_union' || issue.path.at(-1) !== 'type') continue
    const type = valueAt(body, issue.path)
    if (typeof type !== 'string') continue
    const place = describeIssues(error)[1].issues[error.issues.indexOf(issue)]?.path ?? ''
    return new AppError(
      'unsupported_translation',
      `${place}: ${JSON.stringify(type.slice(0, 64))} cannot be expressed to this provider, which speaks OpenAI's chat/completions.`,
      { param: place },
    )
  }
  return undefined
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    body,
  )
}

function refuseHosted(request: MessagesRequest): void {
  const refused = [
    request.mcp_servers?.length ? 'mcp_servers' : undefined,
    request.container == null ? undefined : 'container',
    request.inference_geo == null ? undefined : 'inference_geo',
  ].find((name) => name !== undefined)
  if (refused === undefined) return
  throw new AppError(
    'unsupported_translation',
    `${refused} cannot be expressed to this provider, which speaks OpenAI's chat/completions.`,
    { param: refused },
  )
}

function translateToolChoice({ tools, tool_choice: choice }: MessagesRequest): object {
  // OpenAI refuses a choice, or a word about parallel calls, where there is nothing to choose from.
  if (!tools?.length || !choice) return {}
  const isSerial = 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use
  return {
    tool_choice: translateChoice(choice),
    parallel_tool_calls: isSerial ? false : undefined,
  }
}

function translateChoice(choice: NonNullable<MessagesRequest['tool_choice']>): string | object {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type
    case 'any':
      return 'required'
    case 'tool':
      return { type: 'function', function: { name: choice.name } }
  }
}

function translateFormat(format: MessagesRequest['output_format']): object | undefined {
  if (!format) return undefined
  return {
    type: 'json_schema',
    json_schema: { name: 'output', schema: format.schema, strict: true },
  }
}

/** Claude Code's ids are longer than OpenAI takes; their hash still tells users apart. */
function translateUserId(userId: string | null | undefined): string | undefined {
  if (!userId) return undefined
  return userId.length > userLengthMax ? hash('sha256', userId) : userId
}
