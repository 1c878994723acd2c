import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFrontDoor, type FrontDoorFixture } from '../../test/support/front-door.ts'

let door: FrontDoorFixture

beforeEach(async () => {
  door = await openFrontDoor()
})

afterEach(async () => {
  await door[Symbol.asyncDispose]()
})

const get = ['GET / HTTP/1.1', 'Host: localhost'] as const
const post = ['POST / HTTP/1.1', 'Host: localhost'] as const
const chunked = 'Transfer-Encoding: chunked'
const emptyBody = ['', '0', '', ''] as const

describe('S32 requests that could be read in two ways', () => {
  test.each<[string, number, readonly string[]]>([
    ['length and chunked at once', 400, [...post, 'Content-Length: 3', chunked, ...emptyBody]],
    ['two lengths', 400, [...post, 'Content-Length: 3', 'Content-Length: 4', '', 'abcd']],
    ['a length with a sign', 400, [...post, 'Content-Length: +3', '', 'abc']],
    ['an unknown transfer coding', 400, [...post, 'Transfer-Encoding: xchunked']],
    ['a coding after chunked', 400, [...post, `${chunked}, identity`, ...emptyBody]],
    ['a space before the colon', 400, [...get, 'X-A : b']],
    ['a folded header', 400, [...get, 'X-A: b', ' c']],
    ['a bare line feed', 400, ['GET / HTTP/1.1\nHost: localhost']],
    ['a NUL in a value', 400, [...get, 'X-A: b\0c']],
    ['a carriage return in a value', 400, [...get, 'X-A: b\rc']],
    ['no Host', 400, ['GET / HTTP/1.1']],
    ['no Host in HTTP/1.0', 400, ['GET / HTTP/1.0']],
    ['two Hosts', 400, [...get, 'Host: localhost']],
    ['the URL of another host', 400, ['GET http://evil.example/ HTTP/1.1', 'Host: localhost']],
    ['a URL with a user name', 400, ['GET http://a@localhost/ HTTP/1.1', 'Host: localhost']],
    ['an asterisk for a target', 400, ['OPTIONS * HTTP/1.1', 'Host: localhost']],
    ['chunked HTTP/1.0', 400, ['POST / HTTP/1.0', 'Host: localhost', chunked, ...emptyBody]],
    ['HTTP/2.0 in the request line', 505, ['GET / HTTP/2.0', 'Host: localhost']],
    ['the preface of HTTP/2', 505, ['PRI * HTTP/2.0', '', 'SM']],
    ['HTTP/1.2', 400, ['GET / HTTP/1.2', 'Host: localhost']],
    ['HTTP/0.9', 505, ['GET / HTTP/0.9', 'Host: localhost']],
    ['a Connection that names a key', 400, [...get, 'Connection: close, X-Api-Key']],
    ['a Connection that names a hop', 400, [...get, 'Connection: x-forwarded-for']],
    ['the twin of a forwarding header', 400, [...get, 'X_Forwarded_For: 10.0.0.1']],
    ['the twin of a framing header', 400, [...get, 'Content_Length: 3']],
    ['an unknown expectation', 417, [...get, 'Expect: a-pony']],
    ['20 KB of chunk extension', 413, [...post, chunked, '', `3;x=${'y'.repeat(20_000)}`, 'abc']],
    ['a header of 20 KB', 431, [...get, `X-A: ${'b'.repeat(20_000)}`]],
    ['101 headers', 431, [...get, ...Array.from({ length: 100 }, () => 'a: b')]],
    ['3,000 headers', 431, [...get, ...Array.from({ length: 3_000 }, () => 'a: b')]],
    ['a URL of 9 KB', 414, [`GET /${'a'.repeat(9_000)} HTTP/1.1`, 'Host: localhost']],
    ['a URL of 20 KB', 431, [`GET /${'a'.repeat(20_000)} HTTP/1.1`, 'Host: localhost']],
  ])('refuses %s with %i and closes', async (_shape, status, lines) => {
    const answer = await door.send(lines)
    expect(answer).toMatchObject({ status, closedByServer: true })
    expect(answer.text).toContain('connection: close')
    expect(answer.text).toMatch(/"requestId":"r\d+"/)
    expect(door.admitted.filter(({ res }) => res.writableFinished)).toEqual([])
  })

  test('answers TRACE and CONNECT with 405 and the methods there are', async () => {
    const trace = await door.send(['TRACE / HTTP/1.1', 'Host: localhost', 'Connection: close'])
    const connect = await door.send(['CONNECT db:22 HTTP/1.1', 'Host: db:22'])
    expect([trace.status, connect.status]).toEqual([405, 405])
    expect(trace.text).toContain('allow: GET')
    expect(connect).toMatchObject({ closedByServer: true })
  })

  test('does not answer what was smuggled in behind a refused request', async () => {
    const canary = 'GET /canary HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const answer = await door.send(
      ['POST / HTTP/1.0', 'Host: localhost', 'Transfer-Encoding: chunked'],
      `0\r\n\r\n${canary}`,
    )
    expect(answer.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(door.admitted).toEqual([])
  })

  test('writes no second answer into one that is under way when the next request is malformed', async () => {
    const answer = await door.send(['GET /first HTTP/1.1', 'Host: localhost'], 'BAD\0\r\n\r\n')
    expect(answer.text).not.toContain('invalid_framing')
  })

  test('reports refusals with their code', async () => {
    await door.send(['GET / HTTP/1.1', 'Host: evil.example', 'Connection: close'])
    await door.send(['BAD'])
    expect(door.refusals.map(({ error, ip }) => [error.code, ip])).toEqual([
      ['misdirected_host', '127.0.0.1'],
      ['invalid_framing', '127.0.0.1'],
    ])
  })
})
