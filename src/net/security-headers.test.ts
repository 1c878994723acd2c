import { expect, test } from 'vitest'
import { inlineSource, pageSecurityHeaders, securityHeaders } from './security-headers.ts'

const toRecord = (list: readonly string[]) =>
  Object.fromEntries(
    list.flatMap((part, index) => (index % 2 === 0 ? [[part, list[index + 1]]] : [])),
  )

const pages = pageSecurityHeaders({ tls: false, styles: [inlineSource('a{}')] })

test.each<[string, readonly string[]]>([
  ['the data plane', securityHeaders('data', false)],
  ['management', securityHeaders('management', false)],
  ['pages', pages],
])('S25 %s: no inline code, no framing, no sniffing, no referrer', (_plane, list) => {
  const headers = toRecord(list)
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': expect.any(String),
    'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
  })
  expect(headers['content-security-policy']).not.toContain('unsafe-')
  expect(headers['strict-transport-security']).toBeUndefined()
})

test('S25 HSTS is sent over TLS only', () => {
  for (const list of [
    securityHeaders('data', true),
    securityHeaders('management', true),
    pageSecurityHeaders({ tls: true }),
  ]) {
    expect(toRecord(list)['strict-transport-security']).toBe('max-age=31536000')
  }
})

test('S25 management answers are not stored', () => {
  expect(toRecord(securityHeaders('management', false))['cache-control']).toBe('no-store')
})

test('an inline style is named by its hash', () => {
  expect(inlineSource('a{}')).toMatch(/^'sha256-[\w+/]{43}='$/)
  expect(toRecord(pages)['content-security-policy']).toContain(
    `style-src 'self' ${inlineSource('a{}')};`,
  )
})
