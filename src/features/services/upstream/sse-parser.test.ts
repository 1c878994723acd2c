import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SseParser } from './sse-parser.ts'

interface Heard {
  readonly events: { type: string; data: string; id: string }[]
  readonly retries: number[]
  readonly isAccepted: boolean
}

function parse(chunks: readonly Buffer[], bytesMax = 1_000_000): Heard {
  const events: Heard['events'] = []
  const retries: number[] = []
  const parser = new SseParser(
    {
      onEvent: ({ type, data }) => {
        events.push({ type, data: data.toString(), id: parser.lastEventId })
      },
      onRetry: (retryMs) => retries.push(retryMs),
    },
    bytesMax,
  )
  const isAccepted = chunks.every((chunk) => parser.write(chunk))
  return { events, retries, isAccepted }
}

const parseText = (text: string) => parse([Buffer.from(text)])

test('an event has a type, lines of data and an id', () => {
  const text = 'event: endpoint\nid: 7\ndata: one\ndata:two\ndata:  three\n\n'
  expect(parseText(text).events).toEqual([{ type: 'endpoint', data: 'one\ntwo\n three', id: '7' }])
})

test('comments, unknown fields and events without data are skipped; an id stays until the next', () => {
  const text = ': alive\n\nid: 1\n\nfoo: bar\ndata: a\n\nid\ndata: b\n\n'
  expect(parseText(text).events).toEqual([
    { type: 'message', data: 'a', id: '1' },
    { type: 'message', data: 'b', id: '' },
  ])
})

test('a priming event is one with an id and empty data', () => {
  expect(parseText('id: 3\nretry: 250\ndata:\n\n')).toMatchObject({
    events: [{ type: 'message', data: '', id: '3' }],
    retries: [250],
  })
})

test('a time to retry that is no number, and an id with NUL, do not count', () => {
  const { events, retries } = parseText('retry: soon\nid: a\0b\ndata: x\n\n')
  expect({ events, retries }).toEqual({
    events: [{ type: 'message', data: 'x', id: '' }],
    retries: [],
  })
})

test('a byte order mark at the very beginning is no part of the first field', () => {
  expect(parseText('\uFEFFdata: a\n\n').events).toHaveLength(1)
})

test('an event that does not come to its end is none', () => {
  expect(parseText('data: a\n\ndata: b\n').events).toHaveLength(1)
})

test('an event longer than is accepted ends the reading, in one line or in many', () => {
  expect(parse([Buffer.from(`data: ${'x'.repeat(100)}`)], 50).isAccepted).toBe(false)
  expect(parse([Buffer.from('data: xxxxxxxxx\n'.repeat(10))], 50).isAccepted).toBe(false)
  expect(parse([Buffer.from('data: xxxxxxxxx\n\n'.repeat(10))], 50).isAccepted).toBe(true)
})

test('an event of very many empty lines ends the reading long before its bytes do', () => {
  const chunks = Array.from({ length: 200 }, () => Buffer.from('data:\n'.repeat(1_000)))
  expect(parse(chunks, 64 * 1024 * 1024).isAccepted).toBe(false)
})

test('any events arrive whole, wherever the stream is cut and however its lines end', () => {
  const word = fc
    .string({ unit: 'grapheme', maxLength: 20 })
    .map((text) => text.replace(/[\r\n\0\uFEFF]/g, ''))
  const event = fc.record({
    type: word.map((text) => text.trim()).filter((text) => text !== ''),
    lines: fc.array(word, { minLength: 1, maxLength: 3 }),
    id: word.map((text) => text.trim()),
  })
  const lineEnd = fc.constantFrom('\n', '\r', '\r\n')
  const cuts = fc.array(fc.nat(200), { maxLength: 30 })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), lineEnd, cuts, (events, end, at) => {
      const text = events
        .map(({ type, lines, id }) =>
          [`event: ${type}`, `id: ${id}`, ...lines.map((line) => `data: ${line}`), '', ''].join(
            end,
          ),
        )
        .join('')
      const expected = events.map(({ type, lines, id }) => ({ type, data: lines.join('\n'), id }))
      expect(parse(cutAt(Buffer.from(text), at)).events).toEqual(expected)
    }),
  )
})

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.toSorted((one, other) => one - other), bytes.length]
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end))
}
