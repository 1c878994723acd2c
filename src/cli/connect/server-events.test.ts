import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readServerEvents } from './server-events.ts'
import { readTextLines } from './text-lines.ts'

test('lines end with LF, CR LF or CR, and the last need not end', async () => {
  expect(await collect(readTextLines(inPieces('a\r\nb\rc\n\nd', 1)))).toEqual([
    'a',
    'b',
    'c',
    '',
    'd',
  ])
})

test('line separators inside of JSON end no line', async () => {
  const text = JSON.stringify('a\u2028b\u2029c')
  expect(await collect(readTextLines(inPieces(`${text}\n`, 2)))).toEqual([text])
})

test('however a stream is cut, its lines are the same', async () => {
  const text = fc
    .array(fc.constantFrom('a', 'é', '😀', '\n', '\r', '\r\n'))
    .map((parts) => parts.join(''))
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), async (whole, size) => {
      const expected = whole.split(/\r\n|\n|\r/)
      if (expected.at(-1) === '') expected.pop()
      const lines = await collect(readTextLines(inPieces(whole, size)))
      // A lone CR at the very end may still wait for its LF.
      expect(lines.filter(Boolean)).toEqual(expected.filter(Boolean))
    }),
  )
})

test('events have their data joined, the last id and the time to wait', async () => {
  const stream =
    ': hello\n\nid: 1\nretry: 20\ndata:\n\nevent: message\ndata: {"a":\ndata: 1}\n\ndata: cut'
  expect(await collect(readServerEvents(inPieces(stream, 3)))).toEqual([
    { data: '', id: '1', retryMs: 20 },
    { data: '{"a":\n1}', id: '1', retryMs: 20 },
  ])
})

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
