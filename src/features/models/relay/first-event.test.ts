import { expect, test } from 'vitest'
import { inspectFirstEvent, inspectWholeStream } from './first-event.ts'

test.each([
  ['nothing', '', 'incomplete'],
  ['comments alone', ': connected\n\n: still there\n\n', 'incomplete'],
  ['half an event', 'data: {"choices', 'incomplete'],
  ['an answer', ': hi\n\ndata: {"choices":[]}\n\n', 'content'],
  [
    'an answer that speaks of errors',
    'data: {"choices":[{"delta":{"content":"\\"error\\""}}]}\n\n',
    'content',
  ],
  ['an answer whose error is null', 'data: {"error":null,"choices":[]}\n\n', 'content'],
  ['an error object', 'data: {"error":{"message":"overloaded"}}\n\n', 'error'],
  ['an error event', 'event: error\ndata: {"type":"error"}\n\n', 'error'],
  ['an error with CRLF', 'data: {"error":"no"}\r\n\r\n', 'error'],
  ['an event that is too long to wait for', `data: ${'x'.repeat(70_000)}`, 'content'],
])('judges %s', (_case, text, verdict) => {
  expect(inspectFirstEvent(Buffer.from(text)).state).toBe(verdict)
})

test.each([
  ['a wrong request', { type: 'invalid_request_error', code: null }, 400],
  ['a conversation that is too long', { code: 'context_length_exceeded' }, 400],
  ['a refused credential', { code: 'invalid_api_key' }, 401],
  ['a limit', { type: 'rate_limit_error' }, 429],
  ['a status as a number', { code: 503 }, 503],
  ['what it does not know', { type: 'engine_exploded' }, 500],
  ['a text', 'no', 500],
])('takes an error event for the status it stands for: %s', (_case, error, status) => {
  const text = `data: ${JSON.stringify({ error })}\n\n`
  expect(inspectFirstEvent(Buffer.from(text))).toEqual({ state: 'error', status })
})

test.each([
  ['an event without its empty line', 'data: {"choices":[]}\n', 'content'],
  ['line ends without LF', 'data: {"choices":[]}\r\r', 'content'],
  ['an error without its empty line', 'data: {"error":"no"}', 'error'],
  ['comments', ': nothing\n', 'incomplete'],
])('a stream that is over may consist of %s', (_case, text, verdict) => {
  expect(inspectWholeStream(Buffer.from(text)).state).toBe(verdict)
})
