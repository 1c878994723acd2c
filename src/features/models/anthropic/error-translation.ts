import { z } from 'zod'
import { anthropicErrorType } from '../api-errors.ts'
import { parseJson } from '../json-body.ts'
import { maskSecrets } from '../prompts/secret-patterns.ts'

/** Longer texts are pages of a proxy, not messages. */
const messageLengthMax = 4096

/** OpenAI's form, and the ones that other servers use instead. */
const UpstreamError = z.union([
  z.object({
    error: z.object({
      message: z.string(),
      type: z.string().nullish(),
      code: z.union([z.string(), z.number()]).nullish(),
    }),
  }),
  z.object({ error: z.string() }).transform(({ error }) => ({ error: { message: error } })),
  z.object({ message: z.string() }).transform(({ message }) => ({ error: { message } })),
  z.object({ detail: z.string() }).transform(({ detail }) => ({ error: { message: detail } })),
])

/** `error` of an Anthropic body. */
export interface AnthropicError {
  readonly type: string
  readonly message: string
}

/** Types by OpenAI's code, for errors in a stream, which have no status. */
const typesByCode: Readonly<Record<string, string>> = {
  context_length_exceeded: 'invalid_request_error',
  insufficient_quota: 'rate_limit_error',
  invalid_api_key: 'authentication_error',
  invalid_request_error: 'invalid_request_error',
  model_not_found: 'not_found_error',
  overloaded: 'overloaded_error',
  rate_limit_exceeded: 'rate_limit_error',
  server_overloaded: 'overloaded_error',
}

/** The body of an upstream's error as an Anthropic body. The status and the headers stay as they are. */
export function translateErrorBody(status: number, body: Uint8Array, requestId: string): Buffer {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  const error = translateErrorValue(parseJson(text)) ?? { message: plainMessage(text, status) }
  return Buffer.from(
    JSON.stringify({
      type: 'error',
      error: { type: anthropicErrorType(status), message: error.message },
      request_id: requestId,
    }),
  )
}

/** The error in an upstream's JSON value as Anthropic would tell it; `undefined` if the value holds none. */
export function translateErrorValue(value: unknown): AnthropicError | undefined {
  const result = UpstreamError.safeParse(value)
  if (!result.success) return undefined
  const error: {
    message: string
    type?: string | null | undefined
    code?: string | number | null | undefined
  } = result.data.error
  const { message, type, code } = error
  // Claude Code shortens the conversation by itself when it reads these words.
  const shown = code === 'context_length_exceeded' ? `prompt is too long: ${message}` : message
  return { type: typeOf(type, code), message: readable(shown) }
}

function typeOf(type: string | null | undefined, code: string | number | null | undefined): string {
  if (typeof code === 'number' && code >= 400) return anthropicErrorType(code)
  return typesByCode[String(code)] ?? typesByCode[String(type)] ?? 'api_error'
}

function plainMessage(text: string, status: number): string {
  const isMessage = text.trim() !== '' && text.length <= 1024 && !text.trimStart().startsWith('<')
  return isMessage ? readable(text.trim()) : `The provider answered with status ${status}.`
}

/** Some servers repeat the credential they refuse. */
function readable(message: string): string {
  return maskSecrets(message).slice(0, messageLengthMax)
}
