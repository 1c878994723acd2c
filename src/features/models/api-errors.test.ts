import { expect, test } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { errorBody, streamErrorEvent } from './api-errors.ts'

function openAi(error: unknown) {
  const answer = errorBody('openai', error, 'req-1')
  return {
    status: answer.status,
    error: JSON.parse(answer.body).error,
    headers: pairs(answer.headers),
  }
}

function anthropic(error: unknown) {
  const answer = errorBody('anthropic', error, 'req-1')
  return { status: answer.status, body: JSON.parse(answer.body), headers: pairs(answer.headers) }
}

function pairs(flat: readonly string[]): Record<string, string> {
  const names = flat.filter((_, index) => index % 2 === 0)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, index) => [name, flat[index * 2 + 1] ?? '']))
}

test('a missing key is asked for with a challenge', () => {
  const { status, error, headers } = openAi(new AppError('invalid_api_key', 'No such key.'))
  expect(status).toBe(401)
  expect(error).toEqual({
    message: 'No such key.',
    type: 'invalid_request_error',
    param: null,
    code: 'invalid_api_key',
  })
  expect(headers['www-authenticate']).toBe('Bearer')
  expect(headers['x-request-id']).toBe('req-1')
  expect(headers['x-gateway-request-id']).toBe('req-1')
})

test.each([
  [
    'model_not_found',
    404,
    { type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
  ],
  [
    'model_not_allowed',
    403,
    { type: 'invalid_request_error', code: 'model_not_allowed', param: 'model' },
  ],
  ['invalid_request', 400, { type: 'invalid_request_error', code: null, param: null }],
  [
    'request_too_large',
    413,
    { type: 'invalid_request_error', code: 'request_too_large', param: null },
  ],
  ['rate_limit_exceeded', 429, { type: 'requests', code: 'rate_limit_exceeded', param: null }],
  [
    'insufficient_quota',
    429,
    { type: 'insufficient_quota', code: 'insufficient_quota', param: null },
  ],
  [
    'upstream_unreachable',
    502,
    { type: 'upstream_error', code: 'upstream_unreachable', param: null },
  ],
  ['upstream_timeout', 504, { type: 'upstream_error', code: 'timeout', param: null }],
  [
    'no_healthy_endpoint',
    503,
    { type: 'upstream_error', code: 'no_healthy_endpoint', param: null },
  ],
  ['overloaded', 503, { type: 'server_error', code: 'overloaded', param: null }],
] as const)('%s reads as OpenAI would say it', (code, status, labels) => {
  const answer = openAi(new AppError(code, 'What happened.'))
  expect(answer.status).toBe(status)
  expect(answer.error).toEqual({ message: 'What happened.', ...labels })
})

test('a token limit is told from a request limit, and both say how long to wait', () => {
  const details = {
    param: 'tokens',
    retryAfterMs: 1200.5,
    headers: { 'x-ratelimit-limit-tokens': '9' },
  }
  const { error, headers } = openAi(new AppError('rate_limit_exceeded', 'Too many.', details))
  expect(error.type).toBe('tokens')
  expect(error.param).toBeNull()
  expect(headers).toMatchObject({
    'retry-after': '2',
    'retry-after-ms': '1201',
    'x-ratelimit-limit-tokens': '9',
  })
})

test('a spent budget never invites a retry, and says so once', () => {
  const own = { headers: { 'x-should-retry': 'false' } }
  expect(openAi(new AppError('insufficient_quota', 'Spent.')).headers['x-should-retry']).toBe(
    'false',
  )
  expect(openAi(new AppError('insufficient_quota', 'Spent.', own)).headers['x-should-retry']).toBe(
    'false',
  )
})

test('an unknown error tells nothing but the request id', () => {
  for (const error of [
    new Error('password=hunter2'),
    new AppError('internal_error', 'hunter2'),
    'hunter2',
  ]) {
    const answer = errorBody('openai', error, 'req-1')
    expect(answer.status).toBe(500)
    expect(answer.body).toContain('req-1')
    expect(answer.body).not.toContain('hunter2')
    expect(streamErrorEvent('chat', error, 'req-1').toString()).not.toContain('hunter2')
  }
})

test('a hint follows the message', () => {
  const { error } = openAi(new AppError('provider_not_found', 'None named.', { hint: 'Name one.' }))
  expect(error.message).toBe('None named. Name one.')
})

test.each([
  ['invalid_request', 400, 'invalid_request_error'],
  ['request_too_large', 413, 'invalid_request_error'],
  ['key_expired', 401, 'authentication_error'],
  ['model_not_allowed', 403, 'permission_error'],
  ['model_not_found', 404, 'not_found_error'],
  ['rate_limit_exceeded', 429, 'rate_limit_error'],
  ['upstream_failed', 502, 'api_error'],
  ['no_healthy_endpoint', 503, 'overloaded_error'],
] as const)('%s reads as Anthropic would say it', (code, status, type) => {
  const answer = anthropic(new AppError(code, 'What happened.'))
  expect(answer.status).toBe(status)
  expect(answer.body).toEqual({
    type: 'error',
    error: { type, message: 'What happened.' },
    request_id: 'req-1',
  })
  expect(answer.headers['request-id']).toBe('req-1')
})

test('a broken stream ends in the event of its dialect', () => {
  const error = new AppError('stream_interrupted', 'The provider hung up.')
  const event = (dialect: Parameters<typeof streamErrorEvent>[0]) =>
    streamErrorEvent(dialect, error, 'req-1').toString()
  expect(event('chat')).toBe(
    'data: {"error":{"message":"The provider hung up.","type":"upstream_error","param":null,"code":"stream_interrupted"}}\n\n',
  )
  expect(event('messages')).toBe(
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"The provider hung up."},"request_id":"req-1"}\n\n',
  )
  expect(event('responses')).toMatch(
    /^event: error\ndata: \{"type":"error","code":"stream_interrupted",.*\}\n\n$/,
  )
})
