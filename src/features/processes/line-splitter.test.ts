import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineSplitter } from './line-splitter.ts'

const bytesMax = 8

/** Text in pieces at the given places, through the splitter. */
function split(text: string, cuts: readonly number[] = []) {
  const lines: string[] = []
  const heads: string[] = []
  const splitter = createLineSplitter(bytesMax, {
    onLine: (line) => lines.push(line.toString('latin1')),
    onTooLong: (head) => heads.push(head.toString('latin1')),
  })
  const bytes = Buffer.from(text, 'latin1')
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
  places.sort((one, other) => one - other)
  for (const [index, from] of places.entries())
    splitter.push(bytes.subarray(from, places[index + 1]))
  splitter.end()
  return { lines, heads }
}

test('lines come out the same wherever the stream is cut', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r', 'é'), maxLength: 120 })
  fc.assert(
    fc.property(texts, fc.array(fc.nat()), (text, cuts) => {
      const parts = text.split('\n')
      if (parts.at(-1) === '') parts.pop()
      const expected = {
        lines: parts
          .filter(({ length }) => length <= bytesMax)
          .map((part) => part.replace(/\r$/, '')),
        heads: parts
          .filter(({ length }) => length > bytesMax)
          .map((part) => part.slice(0, bytesMax)),
      }
      expect(split(text, cuts)).toEqual(expected)
    }),
  )
})

test('both ends of line are understood, and the last line needs none', () => {
  expect(split('one\r\ntwo\n\nlast').lines).toEqual(['one', 'two', '', 'last'])
})

test('a line that is too long is told of once, and the next one is whole', () => {
  expect(split('0123456789abcdef\nnext\n', [3, 9, 12])).toEqual({
    lines: ['next'],
    heads: ['01234567'],
  })
})

test('a line keeps its bytes when more of the stream arrives', () => {
  const lines: Buffer[] = []
  const splitter = createLineSplitter(100, { onLine: (line) => lines.push(line), onTooLong() {} })
  for (const piece of ['fir', 'st\nsec', 'ond\nthird', '\n']) splitter.push(Buffer.from(piece))
  expect(lines.map(String)).toEqual(['first', 'second', 'third'])
})
