import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listenOnLoopback } from '../../test/support/raw-http.ts'
import { createCors } from './cors.ts'
import { writeError } from './error-response.ts'
import type { Exchange } from './exchange.ts'
import { createOriginCheck, type OriginRules } from './origin-check.ts'

let rules: OriginRules
let url: string
let close: () => Promise<void>

// `/data` stands for the data plane, everything else for management.
beforeEach(async () => {
  rules = { ownUrls: ['https://gateway.example/'], allowedOrigins: ['https://app.example'] }
  const admitCors = createCors(() => rules)
  const findForeign = createOriginCheck(() => rules)
  const server = createServer((req, res) => {
    if (req.url === '/data') {
      if (admitCors({ req, res, id: 'r1' } as Exchange)) res.end('data')
      return
    }
    const foreign = findForeign(req, 'management')
    if (foreign === undefined) res.end('managed')
    else writeError(res, foreign, 'r1')
  })
  url = `http://localhost:${await listenOnLoopback(server)}`
  close = () => server[Symbol.asyncDispose]()
})

afterEach(() => close())

const foreignOrigins = [
  'https://evil.example',
  'null',
  'https://app.example.evil.example',
  'https://evil-app.example',
  'http://app.example',
  'https://app.example:8443',
] as const

const call = (path: string, method: string, headers: Record<string, string>) =>
  fetch(`${url}${path}`, { method, headers: { connection: 'close', ...headers } })

const preflight = (origin: string) =>
  call('/data', 'OPTIONS', {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,x-stainless-os',
  })

describe('S26 the data plane', () => {
  test.each(foreignOrigins)('lets no page of %s read an answer', async (origin) => {
    const answer = await call('/data', 'POST', { origin })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    expect((await preflight(origin)).status).toBe(403)
  })

  test('lets pages of an allowed origin call it, without credentials of the browser', async () => {
    const asked = await preflight('https://app.example')
    expect(asked.status).toBe(204)
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization,x-stainless-os',
      vary: 'Origin',
    })
    const answer = await call('/data', 'POST', { origin: 'https://app.example' })
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('opens to every page on request, still without credentials', async () => {
    rules = { ...rules, allowedOrigins: ['*'] }
    const answer = await call('/data', 'POST', { origin: 'https://any.example' })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    expect((await preflight('null')).status).toBe(204)
  })

  test('says nothing of origins to programs', async () => {
    const answer = await call('/data', 'OPTIONS', {})
    expect(await answer.text()).toBe('data')
    expect(answer.headers.get('vary')).toBeNull()
  })
})

describe('S17 management', () => {
  test.each(foreignOrigins)('refuses a page of %s, to read and to write', async (origin) => {
    expect((await call('/', 'GET', { origin })).status).toBe(403)
    expect((await call('/', 'POST', { origin })).status).toBe(403)
  })

  test('is never opened to every page', async () => {
    rules = { ...rules, allowedOrigins: ['*'] }
    expect((await call('/', 'POST', { origin: 'https://any.example' })).status).toBe(403)
  })

  test('serves its own pages, allowed ones and programs, without CORS headers', async () => {
    for (const origin of [url, 'https://gateway.example', 'https://app.example']) {
      const answer = await call('/', 'POST', { origin })
      expect(await answer.text()).toBe('managed')
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    }
    expect((await call('/', 'POST', {})).status).toBe(200)
  })
})
