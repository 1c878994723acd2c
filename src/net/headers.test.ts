import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { forwardRequestHeaders, forwardResponseHeaders } from './headers.ts'

const list = (...names: readonly string[]) => names.flatMap((name) => [name, 'v'])

describe('headers of a request', () => {
  const forward = (headers: readonly string[]) =>
    forwardRequestHeaders(headers, { acceptEncoding: 'pass' })

  test('pass in the order and spelling of the client, unknown ones included', () => {
    const headers = [
      ...list('User-Agent', 'OpenAI-Beta', 'openai-organization', 'Anthropic-Version'),
      ...list('X-Stainless-Retry-Count', 'session_id', 'conversation_id', 'originator'),
      ...list('Idempotency-Key', 'traceparent', 'X-Unknown', 'Content-Type', 'Content-Encoding'),
      ...list('Accept-Encoding', 'Sec-WebSocket-Key', 'x-dup', 'X-Dup'),
    ]
    expect(forward(headers)).toEqual(headers)
  })

  test('S36 end here if they carry a key or a cookie', () => {
    const headers = list(
      'Authorization',
      'X-API-KEY',
      'Api-Key',
      'apiKey',
      'x-goog-api-key',
      'Cookie',
    )
    expect(forward(headers)).toEqual([])
  })

  test('S35 end here if only a proxy may say so, in whatever spelling', () => {
    const headers = [
      ...list(
        'X-Forwarded-For',
        'X-Forwarded-Anything',
        'Forwarded',
        'X-Real-IP',
        'CF-Connecting-IP',
      ),
      ...list(
        'X_Forwarded_For',
        'x_real_ip',
        'X-Forwarded_Proto',
        'X-Gateway-Provider',
        'x_api_key',
      ),
    ]
    expect(forward(headers)).toEqual([])
  })

  test('end here if they concern this connection', () => {
    const headers = [
      ...list('Host', 'Connection', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authorization', 'TE'),
      ...list(
        'Trailer',
        'Transfer-Encoding',
        'Upgrade',
        'HTTP2-Settings',
        'Content-Length',
        'Expect',
      ),
    ]
    expect(forward(headers)).toEqual([])
  })

  test('ask for an uncompressed answer where it is to be read', () => {
    const headers = ['Accept-Encoding', 'gzip', 'Accept', '*/*']
    const forwarded = forwardRequestHeaders(headers, { acceptEncoding: 'identity' })
    expect(forwarded).toEqual(['Accept', '*/*', 'accept-encoding', 'identity'])
  })
})

describe('headers of a response', () => {
  test('pass if they are the upstream’s to say', () => {
    const headers = [
      ...list('Content-Type', 'Content-Encoding', 'Content-Length', 'x-request-id', 'request-id'),
      ...list(
        'openai-processing-ms',
        'x-ratelimit-remaining-tokens',
        'retry-after',
        'retry-after-ms',
      ),
      ...list('x-should-retry', 'cf-ray', 'Cache-Control', 'Sec-WebSocket-Accept', 'Date'),
    ]
    expect(forwardResponseHeaders(headers)).toEqual(headers)
  })

  test('end here if they would speak for this origin or connection', () => {
    const headers = [
      ...list('Set-Cookie', 'Alt-Svc', 'Strict-Transport-Security', 'Server', 'X-Powered-By'),
      ...list('Access-Control-Allow-Origin', 'Access-Control-Max-Age', 'Clear-Site-Data', 'NEL'),
      ...list('Connection', 'Keep-Alive', 'Transfer-Encoding', 'Trailer', 'X-Gateway-Provider'),
    ]
    expect(forwardResponseHeaders(headers)).toEqual([])
  })
})

test('the fate of a header depends on its name only, not on case, neighbours or how many names came before', () => {
  const name = fc.oneof(
    fc.constantFrom('Authorization', 'x-api-key', 'Cookie', 'Host', 'X-Forwarded-For', 'TE'),
    fc.stringMatching(/^[A-Za-z_-]{1,12}$/),
  )
  fc.assert(
    fc.property(fc.array(name, { maxLength: 60 }), (names) => {
      const together = forwardRequestHeaders(list(...names), { acceptEncoding: 'pass' })
      const alone = names.flatMap((one) =>
        forwardRequestHeaders(list(one.toLowerCase()), { acceptEncoding: 'pass' }).length > 0
          ? list(one)
          : [],
      )
      expect(together).toEqual(alone)
    }),
  )
})

test('a flood of invented names leaves the verdicts as they are', () => {
  for (let count = 0; count < 5_000; count += 1) {
    forwardRequestHeaders(list(`x-flood-${count}`), { acceptEncoding: 'pass' })
  }
  expect(forwardRequestHeaders(list('Cookie', 'x-flood-1'), { acceptEncoding: 'pass' })).toEqual(
    list('x-flood-1'),
  )
})
