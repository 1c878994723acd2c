import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { AppError, errorDefinitions, type ErrorCode, type ErrorDetails } from '../lib/errors.ts'
import './management.ts'

/**
 * Makes a Fastify application speak like the rest of the management API: requests and responses pass zod schemas, and
 * every failure leaves as `{error:{code, message, hint?, issues?, requestId}}`.
 * Call it before the routes are registered; it has to see them to tell an unknown path from a wrong method.
 */
export function configureManagement(app: FastifyInstance): void {
  const methodsByPattern = new Map<string, Set<string>>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByPattern.get(url) ?? new Set()
    for (const name of [method].flat()) methods.add(name)
    methodsByPattern.set(url, methods)
  })
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(methodsByPattern, request.url)
    return send(methods.length > 0 ? wrongMethod(methods) : nothingHere(), request, reply)
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const known = toAppError(error)
    if (known.status >= 500) request.log.error({ err: error }, 'management request failed')
    return send(known, request, reply)
  })
}

/** The JSON body of an error on the management API. */
function managementErrorBody(error: AppError, requestId: string): object {
  const { hint, issues } = error.details
  return {
    error: {
      code: error.code,
      message: error.message,
      hint: hint ?? errorDefinitions[error.code].remedy,
      ...(issues && { issues }),
      requestId,
    },
  }
}

function send(error: AppError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // The inbound is missing only where the request failed before it was authenticated.
  const inbound = request.inbound as FastifyRequest['inbound'] | undefined
  if (inbound) inbound.note.error = error.code
  const { retryAfterMs, headers } = error.details
  if (retryAfterMs !== undefined) {
    reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
    reply.header('retry-after-ms', Math.ceil(retryAfterMs))
  }
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  for (const [name, value] of Object.entries(headers ?? {})) reply.header(name, value)
  return reply
    .code(error.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(managementErrorBody(error, inbound?.id ?? request.id))
}

/** Fastify’s own refusals that have a code of ours. */
const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'request_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_framing',
}

function toAppError(error: FastifyError): AppError {
  if (error instanceof AppError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidInput(error.validation)
  const code = frameworkCodes[error.code]
  if (code) return new AppError(code, errorDefinitions[code].meaning, { cause: error })
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new AppError('invalid_request', 'The body is not acceptable JSON.', { cause: error })
  }
  // What it was stays in the log: the text of an unforeseen error may carry anything.
  return new AppError('internal_error', errorDefinitions.internal_error.meaning, { cause: error })
}

interface ZodIssue {
  readonly keyword: string
  readonly instancePath: string
  readonly message?: string
  readonly params: Record<string, unknown>
}

function invalidInput(validation: readonly ZodIssue[]): AppError {
  const issues = validation.flatMap(toIssues)
  const unknownOnly = validation.every((issue) => issue.keyword === 'unrecognized_keys')
  const details: ErrorDetails = { issues }
  return unknownOnly
    ? new AppError('unknown_field', 'The request has fields that do not exist.', details)
    : new AppError('invalid_request', 'The request is not valid.', details)
}

/** An issue about unknown fields becomes one issue a field, so that each stands under its own path. */
function toIssues({ keyword, instancePath, message, params }: ZodIssue): {
  path: string
  message: string
}[] {
  const path = instancePath.split('/').filter(Boolean).join('.')
  if (keyword !== 'unrecognized_keys') return [{ path, message: message ?? 'is not valid' }]
  const keys = params['keys'] as string[]
  return keys.map((key) => ({
    path: path ? `${path}.${key}` : key,
    message: 'This field does not exist.',
  }))
}

function methodsOf(methodsByPattern: ReadonlyMap<string, Set<string>>, url: string): string[] {
  const path = url.split('?', 1)[0] ?? ''
  const segments = path.split('/')
  const methods = new Set<string>()
  for (const [pattern, names] of methodsByPattern) {
    if (matches(pattern.split('/'), segments)) for (const name of names) methods.add(name)
  }
  return [...methods].sort()
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false
  return pattern.every((part, at) => part.startsWith(':') || part === segments[at])
}

function wrongMethod(methods: readonly string[]): AppError {
  return new AppError('method_not_allowed', 'The path does not answer to this method.', {
    headers: { allow: methods.join(', ') },
  })
}

function nothingHere(): AppError {
  return new AppError('not_found', 'There is nothing at this path.')
}
