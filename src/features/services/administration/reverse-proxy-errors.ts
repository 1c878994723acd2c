import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { AppError } from '../../../lib/errors.ts'
import type { ErrorCode } from '../../../lib/errors.ts'
import '../../../net/management.ts'

/** What MCP Reverse Proxy says when something failed, by route. */
const failures: Readonly<Record<string, string>> = {
  'GET /api/services': 'Failed to list services',
  'POST /api/services': 'Failed to create service',
  'GET /api/services/:id': 'Failed to get service',
  'PUT /api/services/:id': 'Failed to update service',
  'PATCH /api/services/:id': 'Failed to update service',
  'DELETE /api/services/:id': 'Failed to delete service',
  'POST /api/services/:id/start': 'Failed to start service',
  'POST /api/services/:id/stop': 'Failed to stop service',
  'POST /api/services/:id/restart': 'Failed to restart service',
  'GET /api/services/:id/logs': 'Failed to get logs',
}

const texts: Partial<Record<ErrorCode, string>> = {
  not_found: 'Service not found',
  invalid_request: 'Validation error',
  unknown_field: 'Validation error',
  key_disabled: 'API key is inactive',
  key_expired: 'API key is inactive',
}

/**
 * Answers an error in plain text, in the words of MCP Reverse Proxy, to clients that ask as its clients do: with the key in
 * `X-API-Key` or `api_key` and without asking for JSON. Every other client’s error is thrown on.
 */
export function answerInPlainText(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = toKnown(error)
  if (known === undefined || !wantsPlainText(request)) throw error
  const { inbound, routeOptions, method } = request
  const failure = failures[`${method} ${routeOptions.url}`]
  if (known.status >= 500) request.log.error({ err: error }, 'management request failed')
  inbound.note.error = known.code
  const isFailure = known.status >= 500 && failure !== undefined
  return reply
    .code(isFailure ? 500 : known.status)
    .type('text/plain; charset=utf-8')
    .serializer(String)
    .send(isFailure ? failure : textOf(known))
}

function wantsPlainText({ inbound, headers }: FastifyRequest): boolean {
  if (headers.accept?.includes('application/json') === true) return false
  const [credential] = inbound.credentials
  return credential?.carrier === 'x-api-key' || credential?.carrier === 'query'
}

/** undefined for what only the management API itself can name. */
function toKnown(error: FastifyError): AppError | undefined {
  if (error instanceof AppError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new AppError('invalid_request', 'Validation error', { cause: error })
  }
  return undefined
}

function textOf(error: AppError): string {
  if (error.code === 'conflict' && error.details.param === 'path')
    return 'Proxy path already in use'
  if (error.code === 'invalid_api_key') {
    return error.message === 'The request carries no key.' ? 'API key required' : 'Invalid API key'
  }
  return texts[error.code] ?? error.message
}
