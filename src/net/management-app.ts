import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { AppError, errorDefinitions, type ErrorCode, type ErrorDetails } from '../lib/errors.ts'
import type { Live } from '../lib/live.ts'
import { answerHeaders } from './answer.ts'
import { errorBody, errorHeaders, toAppError } from './error-response.ts'
import './management.ts'
import { ClientGone, readBody, type BodyLimits } from './request-body.ts'

/**
 * Makes a Fastify application speak like the rest of the management API: requests and responses pass zod schemas, and
 * every failure leaves as `{error:{code, message, hint, issues?, requestId}}`. A JSON body may be empty: clients
 * announce one out of habit, also to routes that take none.
 * Call it before the routes are registered; it has to see them to tell an unknown path from a wrong method.
 * `request.inbound` must be set before anything can fail.
 */
export function configureManagement(app: FastifyInstance, bodyLimits: Live<BodyLimits>): void {
  const methodsByPattern = new Map<string, Set<string>>()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (request, _payload, done) => {
    readBody(request.raw, bodyLimits()).then((bytes) => {
      if (bytes.length === 0) done(null)
      else void parse(request, bytes.toString(), done)
    }, done)
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByPattern.get(url) ?? new Set()
    for (const name of [method].flat()) methods.add(name)
    methodsByPattern.set(url, methods)
  })
  app.addHook('onSend', async ({ inbound, raw }, reply) => {
    setHeaders(reply, answerHeaders('management', inbound.id, raw.socket))
    // A body that was not read to its end would be taken for the next request.
    if (!raw.complete) reply.header('connection', 'close')
  })
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(methodsByPattern, request.url)
    return send(methods.length > 0 ? wrongMethod(methods) : nothingHere(), request, reply)
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error instanceof ClientGone) return reply.hijack().raw.destroy()
    const known = fromFramework(error)
    if (known.status >= 500) request.log.error({ err: error }, 'management request failed')
    return send(known, request, reply)
  })
}

function send(error: AppError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { id, note } = request.inbound
  note.error = error.code
  setHeaders(reply, errorHeaders(error))
  return reply
    .code(error.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(errorBody(error, id))
}

/** `headers` is a flat list name, value, … */
function setHeaders(reply: FastifyReply, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) {
    reply.header(headers[at] as string, headers[at + 1])
  }
}

/** Fastify’s own refusals that have a code of ours. */
const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_framing',
}

function fromFramework(error: FastifyError): AppError {
  if (error instanceof AppError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidInput(error.validation)
  const code = frameworkCodes[error.code]
  if (code) return new AppError(code, errorDefinitions[code].meaning, { cause: error })
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new AppError('invalid_request', 'The body is not acceptable JSON.', { cause: error })
  }
  return toAppError(error)
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
