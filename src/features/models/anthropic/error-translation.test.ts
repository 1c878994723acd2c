import { expect, test } from 'vitest'
import { translateErrorBody, translateErrorValue } from './error-translation.ts'

function translate(status: number, body: string) {
  return JSON.parse(translateErrorBody(status, Buffer.from(body), 'req-1').toString())
}

test('an OpenAI error keeps its message and gets the type of its status', () => {
  const body = '{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}'
  expect(translate(429, body)).toEqual({
    type: 'error',
    error: { type: 'rate_limit_error', message: 'Slow down.' },
    request_id: 'req-1',
  })
})

test.each([
  ['{"error":"boom"}', 'boom'],
  ['{"message":"boom"}', 'boom'],
  ['{"detail":"boom"}', 'boom'],
  ['boom', 'boom'],
  ['<html><title>502</title></html>', 'The provider answered with status 502.'],
  ['', 'The provider answered with status 502.'],
  ['{"odd":1}', '{"odd":1}'],
])('the message of %s is %s', (body, message) => {
  expect(translate(502, body).error).toEqual({ type: 'api_error', message })
})

test('a context that is too long is said in the words on which Claude Code shortens it', () => {
  const body = '{"error":{"message":"128k at most.","code":"context_length_exceeded"}}'
  expect(translate(400, body).error).toEqual({
    type: 'invalid_request_error',
    message: 'prompt is too long: 128k at most.',
  })
})

test.each([
  [{ message: 'x', code: 429 }, 'rate_limit_error'],
  [{ message: 'x', code: 'rate_limit_exceeded' }, 'rate_limit_error'],
  [{ message: 'x', type: 'overloaded' }, 'overloaded_error'],
  [{ message: 'x', type: 'server_error' }, 'api_error'],
  [{ message: 'x' }, 'api_error'],
])('in a stream, where there is no status, %j has the type %s', (error, type) => {
  expect(translateErrorValue({ error })).toEqual({ type, message: 'x' })
})

test('a value without an error is none', () => {
  expect(translateErrorValue({ choices: [] })).toBeUndefined()
  expect(translateErrorValue(undefined)).toBeUndefined()
})

test('a credential that the upstream repeats is masked', () => {
  const secret = 'sk-abcdefghijklmnopqrst'
  for (const body of [`{"error":"bad key ${secret}"}`, `bad key ${secret}`]) {
    expect(translate(401, body).error).toEqual({
      type: 'authentication_error',
      message: 'bad key [secret]',
    })
  }
})
