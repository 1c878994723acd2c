import { AppError, type ErrorCode } from '../../lib/errors.ts'
import { errorHeaders } from '../../net/error-response.ts'
import { securityHeaders } from '../../net/security-headers.ts'
import type { ApiFamily, StreamDialect } from './surfaces.ts'

/** A complete answer to a request that failed. `headers` is a flat list name, value, … without `content-length`. */
export interface ErrorAnswer {
  readonly status: number
  readonly headers: string[]
  readonly body: string
}

/** `error` of an OpenAI body; every field is always present, as strict clients demand. */
interface OpenAiError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

interface OpenAiLabels {
  readonly type: string
  /** What `code` says; by default our own code. */
  readonly code?: string | null
  readonly param?: string
}

/** Where OpenAI's vocabulary differs from the default: `invalid_request_error` below 500, `server_error` above, our own code. */
const openAiLabels: { readonly [code in ErrorCode]?: OpenAiLabels } = {
  invalid_request: { type: 'invalid_request_error', code: null },
  model_not_found: { type: 'invalid_request_error', param: 'model' },
  model_not_allowed: { type: 'invalid_request_error', param: 'model' },
  model_unpriced: { type: 'invalid_request_error', param: 'model' },
  rate_limit_exceeded: { type: 'requests' },
  insufficient_quota: { type: 'insufficient_quota' },
  no_healthy_endpoint: { type: 'upstream_error' },
  upstream_unreachable: { type: 'upstream_error' },
  upstream_failed: { type: 'upstream_error' },
  upstream_timeout: { type: 'upstream_error', code: 'timeout' },
  stream_interrupted: { type: 'upstream_error' },
}

/** Anthropic's error type for an HTTP status; its SDK and Claude Code act on the type. */
export function anthropicErrorType(status: number): string {
  if (status === 529 || status === 503) return 'overloaded_error'
  if (status >= 500) return 'api_error'
  return anthropicTypes[status] ?? 'invalid_request_error'
}

const anthropicTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
}

/**
 * The answer to a request that failed before its first byte went out, in the shape of its API family.
 * `headers` hold everything that belongs to the error: content type, both request ids, `www-authenticate`,
 * `retry-after` (whole seconds) with `retry-after-ms`, `x-should-retry`, and what the error carries itself.
 * An error that is not an AppError tells the client nothing but the request id.
 */
export function errorBody(family: ApiFamily, error: unknown, requestId: string): ErrorAnswer {
  const known = toAppError(error, requestId)
  const body =
    family === 'anthropic' ? anthropicBody(known, requestId) : { error: openAiError(known) }
  return {
    status: known.status,
    headers: headersOf(family, known, requestId),
    body: JSON.stringify(body),
  }
}

/**
 * The event that ends a stream which broke after its first byte. It must be written at an event boundary
 * (after a blank line), and the connection is destroyed behind it: no `[DONE]`, no terminating chunk.
 */
export function streamErrorEvent(
  dialect: StreamDialect,
  error: unknown,
  requestId: string,
): Buffer {
  const known = toAppError(error, requestId)
  switch (dialect) {
    case 'messages':
      return sseEvent('error', {
        type: 'error',
        error: { type: inStreamType(known), message: messageOf(known) },
        request_id: requestId,
      })
    case 'responses': {
      const inner = openAiError(known)
      // The published schema has the fields at the top, the live service has them under `error`; clients read either.
      // The sequence number is not known without parsing what went before.
      return sseEvent('error', {
        type: 'error',
        code: inner.code,
        message: inner.message,
        param: inner.param,
        sequence_number: 0,
        error: inner,
      })
    }
    case 'chat':
      return Buffer.from(`data: ${JSON.stringify({ error: openAiError(known) })}\n\n`)
  }
}

function toAppError(error: unknown, requestId: string): AppError {
  if (error instanceof AppError && error.code !== 'internal_error') return error
  return new AppError('internal_error', `Something failed on our side. Request id: ${requestId}`)
}

function openAiError(error: AppError): OpenAiError {
  const labels = openAiLabels[error.code]
  const type = labels?.type ?? (error.status >= 500 ? 'server_error' : 'invalid_request_error')
  const code = labels?.code === undefined ? error.code : labels.code
  // A rate limit names in `param` which of the two was hit; OpenAI says so in the type.
  if (error.code === 'rate_limit_exceeded') {
    return {
      message: messageOf(error),
      type: error.details.param === 'tokens' ? 'tokens' : type,
      param: null,
      code,
    }
  }
  const param = error.details.param ?? labels?.param ?? null
  return { message: messageOf(error), type, param, code }
}

function anthropicBody(error: AppError, requestId: string): object {
  return {
    type: 'error',
    error: { type: anthropicErrorType(error.status), message: messageOf(error) },
    request_id: requestId,
  }
}

/** An upstream that fails under way reads as overload: that is the type on which Anthropic's clients try again. */
function inStreamType(error: AppError): string {
  const label = openAiLabels[error.code]?.type
  return label === 'upstream_error' ? 'overloaded_error' : anthropicErrorType(error.status)
}

/** Neither dialect has a place for a hint, so it follows the message. */
function messageOf(error: AppError): string {
  return error.details.hint === undefined ? error.message : `${error.message} ${error.details.hint}`
}

function headersOf(family: ApiFamily, error: AppError, requestId: string): string[] {
  const { headers: own } = error.details
  const headers = [
    'content-type',
    'application/json',
    family === 'anthropic' ? 'request-id' : 'x-request-id',
    requestId,
    'x-gateway-request-id',
    requestId,
    ...securityHeaders('data', false),
    ...errorHeaders(error),
  ]
  if (error.code === 'insufficient_quota' && own?.['x-should-retry'] === undefined) {
    headers.push('x-should-retry', 'false')
  }
  return headers
}

function sseEvent(name: string, data: object): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}
