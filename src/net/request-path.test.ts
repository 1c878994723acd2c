import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalisePath } from './request-path.ts'

test.each([
  ['/', '/'],
  ['/v1/chat/completions', '/v1/chat/completions'],
  ['/a;b=c/d', '/a;b=c/d'],
  ['/a//b', '/a//b'],
  ['//evil.example/a', '/evil.example/a'],
  ['/a/..//b', '/b'],
  ['/a/./b/../c', '/a/c'],
  ['/a/b/..', '/a/'],
  ['/a/.', '/a/'],
  ['/...', '/...'],
  ['/.well-known/x', '/.well-known/x'],
  ['/v1/%2e%2E/api/keys', '/api/keys'],
  ['/%61pi/%7Ekeys', '/api/~keys'],
  ['/caf%c3%a9%20%25', '/caf%c3%a9%20%25'],
  ['/%252e%252e/a', '/%252e%252e/a'],
  ['/v1/models/openai%2Fgpt-4', '/v1/models/openai%2Fgpt-4'],
  ['/api/v1/models/a%2fb', '/api/v1/models/a%2fb'],
])('takes %s for %s', (raw, path) => {
  expect(normalisePath(raw)).toBe(path)
})

test.each([
  '/a/../../etc/passwd',
  '/..',
  '/a\\b',
  '/a%5cb',
  '/a%00',
  '/a%2fb',
  '/a#b',
  '/%',
  '/%2',
  '/%zz',
  '/v1/models/../keys%2fa',
  '/v1/models/..%2f..%2fkeys',
  '/v1/models/a%2f%2e%2e%2fb',
  '/v1/models%2fa',
])('refuses %s', (raw) => {
  expect(normalisePath(raw)).toBeUndefined()
})

const rawPath = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '%2e',
        '%2F',
        '%25',
        '%41',
        ';',
        'v1',
        'models',
        '~',
        '\\',
        '#',
      ),
      fc.stringMatching(/^[!-~]{0,3}$/),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => `/${pieces.join('')}`)

test('gives a path that starts with one slash, has no dot segments and is its own normal form', () => {
  fc.assert(
    fc.property(rawPath, (raw) => {
      const path = normalisePath(raw)
      fc.pre(path !== undefined)
      expect(path).toMatch(/^\/(?!\/)/)
      expect(path.split('/').filter((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))).toEqual([])
      expect(path).not.toMatch(/[\\#]|%00|%5c/i)
      expect(normalisePath(path)).toBe(path)
    }),
    { numRuns: 2_000 },
  )
})

test('agrees with the platform on dot segments', () => {
  const plainPath = fc
    .array(fc.constantFrom('a', 'b.c', '.', '..', '%2e%2e', '...'), { minLength: 1 })
    .map((segments) => `/${segments.join('/')}`)
  fc.assert(
    fc.property(plainPath, (raw) => {
      const path = normalisePath(raw)
      fc.pre(path !== undefined)
      expect(path).toBe(new URL(raw, 'http://a').pathname)
    }),
  )
})
