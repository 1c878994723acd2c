import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endsAtBoundary, firstEventEnd, lastEventEnd } from './sse-boundary.ts'

test.each([
  ['two events', 'data: a\n\ndata: b\n\n', 18],
  ['an event and a half', 'data: a\n\ndata: b\n', 9],
  ['lines that end with CRLF', 'data: a\r\n\r\ndata', 11],
  ['no complete event', 'data: a', 0],
  ['nothing', '', 0],
])('finds the end of the last complete event in %s', (_case, text, end) => {
  expect(lastEventEnd(Buffer.from(text))).toBe(end)
})

test('walking event by event comes to the same end as looking from behind', () => {
  const event = fc.array(fc.constantFrom('data: x', ': comment', 'event: y'), { minLength: 1 })
  const ends = fc.constantFrom('\n', '\r\n')
  fc.assert(
    fc.property(
      fc.array(event),
      fc.string({ unit: fc.constantFrom('a', ':') }),
      ends,
      (events, rest, end) => {
        const text = events.map((lines) => lines.map((line) => line + end).join('') + end).join('')
        const bytes = Buffer.from(text + rest)
        let from = 0
        for (let next = 0; next >= 0; next = firstEventEnd(bytes, from)) from = next
        expect(from).toBe(text.length)
        expect(lastEventEnd(bytes)).toBe(text.length)
      },
    ),
  )
})

test('knows whether something may be put in behind a chunk', () => {
  expect(endsAtBoundary(Buffer.from('data: a\n\n'))).toBe(true)
  expect(endsAtBoundary(Buffer.from('data: a\n'))).toBe(false)
  expect(endsAtBoundary(Buffer.alloc(0))).toBe(false)
})
