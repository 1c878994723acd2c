import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPlaceholder } from './placeholder.ts'

test.each([
  [''],
  ['changeme'],
  ['change-me'],
  ['default-secret-change-me'],
  ['your-api-key-here'],
  ['YOUR_SECRET_KEY'],
  ['xxx'],
  ['sk-xxxxxxxx'],
  ['********'],
  ['secret'],
  ['Password'],
  ['admin'],
  ['<token>'],
  ['${ADMIN_KEY}'],
  ['aaaaaaaaaaaaaaaa'],
])('takes %j for a placeholder', (text) => {
  expect(isPlaceholder(text)).toBe(true)
})

test('takes random keys for what they are', () => {
  const key = fc
    .uint8Array({ minLength: 16, maxLength: 48 })
    .filter((bytes) => new Set(bytes).size > 1)
  fc.assert(
    fc.property(key, (bytes) => {
      expect(isPlaceholder(Buffer.from(bytes).toString('hex'))).toBe(false)
    }),
  )
})
