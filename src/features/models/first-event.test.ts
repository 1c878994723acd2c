import { expect, test } from 'vitest'
import { inspectFirstEvent } from './first-event.ts'

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
  expect(inspectFirstEvent(Buffer.from(text))).toBe(verdict)
})
