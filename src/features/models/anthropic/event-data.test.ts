import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventDataReader } from './event-data.ts'

function read(bytes: Buffer, cuts: readonly number[] = []): string[] {
  const reader = new EventDataReader()
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])]
  places.sort((a, b) => a - b)
  return places.slice(1).flatMap((to, at) => reader.push(bytes.subarray(places[at], to)))
}

const stream = [
  ': a comment\r\n\r\n',
  'event: message\ndata: {"a":1}\nid: 7\n\n',
  'data: first\r\ndata:second\r\n\r\n',
  'data: grüß 👋\r\rretry: 5\n\ndata\n\n',
  'data: [DONE]\n\n',
  'data: unfinished\n',
].join('')

const events = ['{"a":1}', 'first\nsecond', 'grüß 👋', '[DONE]']

test('data is read whatever the line ends, and an unfinished event is not', () => {
  expect(read(Buffer.from(stream))).toEqual(events)
})

test('data is the same wherever the bytes are cut', () => {
  const bytes = Buffer.from(stream)
  fc.assert(
    fc.property(fc.array(fc.nat()), (cuts) => {
      expect(read(bytes, cuts)).toEqual(events)
    }),
  )
  expect(read(bytes, [...bytes.keys()])).toEqual(events)
})

test('an event without end is refused before it fills the memory', () => {
  const reader = new EventDataReader()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const flood = () => {
    for (let at = 0; at < 20; at += 1) reader.push(chunk)
  }
  expect(flood).toThrow('too long')
})
