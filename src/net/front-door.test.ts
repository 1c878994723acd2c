import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFrontDoor, type FrontDoorFixture } from '../../test/support/front-door.ts'

let door: FrontDoorFixture

beforeEach(async () => {
  door = await openFrontDoor()
})

afterEach(async () => {
  await door[Symbol.asyncDispose]()
})

const handshake = [
  'GET /v1/realtime HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
] as const

describe('requests in order', () => {
  test('serves pipelined requests on one connection, each on its own', async () => {
    const last = 'GET /b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    const answer = await door.send(['GET /a HTTP/1.1', 'Host: localhost'], last)
    expect(door.admitted.map(({ path }) => path)).toEqual(['/a', '/b'])
    expect(answer.text.match(/200 OK/g)).toHaveLength(2)
  })

  test('accepts an absolute target of its own host', async () => {
    await door.send(['GET http://LOCALHOST/a?b HTTP/1.1', 'Host: localhost', 'Connection: close'])
    await door.send(['GET http://localhost?b HTTP/1.1', 'Host: localhost', 'Connection: close'])
    expect(door.admitted.map(({ path, search }) => path + search)).toEqual(['/a?b', '/?b'])
  })

  test('lets 100-continue pass', async () => {
    const lines = [
      'POST /a HTTP/1.1',
      'Host: localhost',
      'Content-Length: 1',
      'Expect: 100-continue',
      'Connection: close',
    ]
    expect((await door.send(lines, 'x')).text).toMatch(/^HTTP\/1\.1 100 Continue[^]*200 OK/)
  })

  test('ignores an upgrade to h2c, and closes the connection after the answer', async () => {
    const answer = await door.send([
      'GET /a HTTP/1.1',
      'Host: localhost',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
    ])
    expect(door.admitted.map(({ path }) => path)).toEqual(['/a'])
    expect(answer).toMatchObject({ status: 200, closedByServer: true })
  })

  test('keeps headers whose underscores are their own', async () => {
    expect((await door.get('/', 'session_id: 1', 'conversation_id: 2')).status).toBe(200)
  })

  test('resolves the path once, before anybody sees it', async () => {
    await door.get('/v1/%2e%2e/api/./keys')
    await door.get('//evil.example/a;b=c/')
    expect(door.admitted.map(({ path }) => path)).toEqual(['/api/keys', '/evil.example/a;b=c/'])
  })

  test.each([
    '/a/../../etc/passwd',
    '/v1/%2e%2e%2fkeys',
    '/a%00',
    '/a%5cb',
    '/a\\b',
    '/a%2fb',
    '/%zz',
    '/a#b',
  ])('refuses the path %s', async (path) => {
    const answer = await door.get(path)
    expect(answer).toMatchObject({ status: 400, closedByServer: true })
    expect(answer.text).toContain('invalid_path')
  })

  test('S36 takes keys out of headers and query, wherever they are', async () => {
    await door.get(
      '/v1/models?a=1&apiKey=q%201&b=%20&api_key=q2&key=q3',
      'authorization: bEARER  t1 ',
      'X-API-Key: t2',
      'apiKey: t3',
      'api-key: t4',
      'x-goog-api-key: t5',
    )
    const [exchange] = door.admitted
    expect(exchange?.search).toBe('?a=1&b=%20')
    expect(exchange?.credentials).toEqual([
      { carrier: 'authorization', text: 't1' },
      { carrier: 'x-api-key', text: 't2' },
      { carrier: 'apikey', text: 't3' },
      { carrier: 'api-key', text: 't4' },
      { carrier: 'x-goog-api-key', text: 't5' },
      { carrier: 'query', text: 'q 1' },
      { carrier: 'query', text: 'q2' },
      { carrier: 'query', text: 'q3' },
    ])
  })

  test('reports both of two keys in the same header', async () => {
    await door.get(
      '/',
      'Authorization: Bearer a',
      'Authorization: Bearer b',
      'Authorization: Basic eDp5',
    )
    expect(door.admitted[0]?.credentials.map(({ text }) => text)).toEqual(['a', 'b'])
  })

  test('S35 believes X-Forwarded-For only of a trusted proxy', async () => {
    await door.get('/', 'X-Forwarded-For: 198.51.100.7')
    door.configure({ trustedProxies: ['127.0.0.0/8'] })
    await door.get('/', 'X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 198.51.100.7, 127.0.0.2')
    expect(door.admitted.map(({ ip }) => ip)).toEqual(['127.0.0.1', '198.51.100.7'])
  })
})

describe('S29 hosts', () => {
  test.each([
    'evil.example',
    'localhost.evil.example',
    '10.0.0.7',
    'gateway.example.evil',
    'a b',
    'lan.example:9001',
    '0x7f.1',
  ])('refuses %s with 421', async (host) => {
    expect(await door.send(['GET / HTTP/1.1', `Host: ${host}`, 'Connection: close'])).toMatchObject(
      {
        status: 421,
      },
    )
  })

  test.each([
    'localhost',
    'LocalHost:1',
    '127.0.0.1:8437',
    '[::1]:8437',
    'a.localhost',
    'gateway.example',
    'lan.example:9000',
  ])('serves %s', async (host) => {
    expect(await door.send(['GET / HTTP/1.1', `Host: ${host}`, 'Connection: close'])).toMatchObject(
      {
        status: 200,
      },
    )
  })

  test('follows a change of the configuration at once', async () => {
    expect(
      (await door.send(['GET / HTTP/1.1', 'Host: new.example', 'Connection: close'])).status,
    ).toBe(421)
    door.configure({ allowedHosts: ['*.example'] })
    expect(
      (await door.send(['GET / HTTP/1.1', 'Host: new.example', 'Connection: close'])).status,
    ).toBe(200)
  })
})

describe('S28 upgrades', () => {
  const upgrade = (...headers: string[]) => door.send([...handshake, ...headers])

  test('admits a handshake without Origin, and one of an allowed or its own page', async () => {
    expect((await upgrade()).status).toBe(101)
    expect((await upgrade('Origin: https://app.example')).status).toBe(101)
    expect((await upgrade('Origin: http://localhost')).status).toBe(101)
    expect(door.upgrades.map(({ path }) => path)).toEqual(Array(3).fill('/v1/realtime'))
  })

  test.each([
    'https://evil.example',
    'null',
    'https://app.example.evil',
    'http://app.example',
    'https://localhost',
  ])('refuses the page %s with 403 and no 101', async (origin) => {
    const answer = await upgrade(`Origin: ${origin}`)
    expect(answer).toMatchObject({ status: 403, closedByServer: true })
    expect(answer.text).toContain('origin_not_allowed')
    expect(door.upgrades).toEqual([])
  })

  test('refuses a handshake with a body, and one for a foreign host', async () => {
    expect((await upgrade('Content-Length: 3')).status).toBe(400)
    expect((await upgrade('Transfer-Encoding: chunked')).status).toBe(400)
    expect(
      (await door.send([handshake[0], 'Host: evil.example', ...handshake.slice(2)])).status,
    ).toBe(421)
    expect(door.upgrades).toEqual([])
  })

  test('treats a POST that asks for a WebSocket as the POST that it is', async () => {
    const lines = ['POST /a HTTP/1.1', ...handshake.slice(1), 'Content-Length: 1']
    expect((await door.send(lines, 'x')).status).toBe(200)
  })
})

test('S25 refusals carry the security headers', async () => {
  const { text } = await door.send(['GET / HTTP/1.1', 'Host: evil.example', 'Connection: close'])
  for (const name of [
    'content-security-policy',
    'x-content-type-options',
    'referrer-policy',
    'permissions-policy',
    'cross-origin-opener-policy',
    'cache-control',
  ]) {
    expect(text).toContain(`\r\n${name}: `)
  }
})
