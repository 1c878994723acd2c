import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decodeContent } from './content-decoding.ts'

const text = Buffer.from('{"usage":{"total_tokens":13}}'.repeat(50))

test.each([
  ['gzip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['br', brotliCompressSync(text)],
  ['zstd', zstdCompressSync(text)],
  ['GZIP', gzipSync(text)],
])('reads %s', (encoding, bytes) => {
  expect(decodeContent(bytes, encoding, 1024 * 1024)).toEqual(text)
})

test('reads what there is of a body that was cut off', () => {
  const whole = gzipSync(Buffer.concat([text, Buffer.from(crypto.randomUUID().repeat(9))]))
  const read = decodeContent(whole.subarray(0, whole.length - 20), 'gzip', 1024 * 1024)
  expect(read?.subarray(0, 29)).toEqual(text.subarray(0, 29))
})

test.each([
  ['an encoding it does not know', 'compress', text],
  ['what is not encoded at all', 'gzip', text],
  ['more than it may', 'gzip', gzipSync(Buffer.alloc(2 * 1024 * 1024))],
])('gives nothing for %s', (_what, encoding, bytes) => {
  expect(decodeContent(bytes, encoding, 1024 * 1024)).toBeUndefined()
})
