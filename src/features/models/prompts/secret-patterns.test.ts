import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maskSecrets } from './secret-patterns.ts'

const base58 = 'abcdefghijkmnopqrstuvwxyz1234567'

test.each([
  `ptk_${base58}`,
  'doro-0b0e1c1a-52d2-4b5c-9f0c-0123456789ab',
  'sk-proj-abcdefghijklmnop_qrst',
  'sk-ant-api03-abcdefghijklmnop',
  `AIza${'x'.repeat(35)}`,
  `ghp_${'x'.repeat(36)}`,
  'AKIAIOSFODNN7EXAMPLE',
  'xoxb-1234567890-abcdef',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  '-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----',
  '-----BEGIN RSA PRIVATE KEY-----\nMIIE',
  'Bearer abcdefghijklmnop',
  'Authorization: Basic dXNlcjpwYXNz',
])('%s is masked, and the words around it stay', (secret) => {
  const masked = maskSecrets(`{"content":"my key: ${secret}`)
  expect(masked).toBe('{"content":"my key: [secret]')
  expect(maskSecrets(JSON.stringify({ a: secret, b: 'words' }))).not.toContain(secret.slice(5))
})

test('credentials in a URL are masked, the host stays', () => {
  expect(maskSecrets('postgres://app:hunter2@db:5432/x')).toBe('postgres[secret]db:5432/x')
})

test('ordinary text stays as it is', () => {
  const text =
    'Basic telecommunications: the task-oriented sk-learn bearer of https://example.com/a:b@c has "max_tokens": 5.'
  expect(maskSecrets(text)).toBe(text)
})

test('a known credential is masked whatever it looks like', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8 }), fc.string(), fc.string(), (secret, before, after) => {
      expect(maskSecrets(`${before} ${secret} ${after}`, [secret])).not.toContain(` ${secret} `)
    }),
  )
  expect(maskSecrets('short', ['short'])).toBe('short')
})
