import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createManagementApp } from '../../test/support/management-app.ts'
import { AppError } from '../lib/errors.ts'

const principal = { keyId: 'key_1', workspaceId: 'default', scopes: new Set<never>() }

const routes: FastifyPluginAsyncZod = async (app) => {
  const body = z.strictObject({ name: z.string().min(2), inner: z.strictObject({ a: z.int() }) })
  app.post('/api/things', { schema: { body } }, async ({ body: { name } }) => ({ name }))
  app.get('/api/things/:id', async () => {
    throw new AppError('rate_limit_exceeded', 'Too fast.', {
      retryAfterMs: 1500,
      headers: { 'x-extra': '1' },
    })
  })
  app.get('/api/broken', async () => {
    throw new Error('connect postgres://admin:hunter2@db failed')
  })
}

async function openApp() {
  return createManagementApp(routes, { principal })
}

test('every mistake in a body is listed at once, under its own path', async () => {
  await using app = await openApp()
  const payload = { name: 'x', inner: { a: 'one', b: 2 }, extra: 1, more: 2 }
  const response = await app.inject({ method: 'POST', url: '/api/things', payload })
  expect(response.statusCode).toBe(400)
  const { error } = response.json()
  expect(error.code).toBe('invalid_request')
  expect(error.issues.map(({ path }: { path: string }) => path)).toEqual([
    'name',
    'inner.a',
    'inner.b',
    'extra',
    'more',
  ])
})

test('S06 a body whose only mistake is a field that does not exist says so', async () => {
  await using app = await openApp()
  const payload = { name: 'xy', inner: { a: 1 }, role: 'admin' }
  const response = await app.inject({ method: 'POST', url: '/api/things', payload })
  expect(response.statusCode).toBe(400)
  expect(response.json().error).toMatchObject({
    code: 'unknown_field',
    issues: [{ path: 'role', message: 'This field does not exist.' }],
    requestId: 'req_test',
  })
})

test('S77 __proto__ in a body is refused and pollutes nothing', async () => {
  await using app = await openApp()
  const response = await app.inject({
    method: 'POST',
    url: '/api/things',
    headers: { 'content-type': 'application/json' },
    payload: '{"name":"xy","inner":{"a":1},"__proto__":{"polluted":true}}',
  })
  expect(response.statusCode).toBe(400)
  expect(response.json().error.code).toBe('invalid_request')
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('bodies that are no JSON, too large or of another type have codes of ours', async () => {
  await using app = await openApp()
  const post = async (payload: string, type = 'application/json') => {
    const headers = { 'content-type': type }
    const response = await app.inject({ method: 'POST', url: '/api/things', headers, payload })
    return [response.statusCode, response.json().error.code]
  }
  expect(await post('{')).toEqual([400, 'invalid_request'])
  expect(await post('')).toEqual([400, 'invalid_request'])
  expect(await post('x', 'text/csv')).toEqual([415, 'unsupported_media_type'])
  expect(await post(`"${'x'.repeat(2 ** 21)}"`)).toEqual([413, 'request_too_large'])
})

test('an error carries its headers and how long to wait', async () => {
  await using app = await openApp()
  const response = await app.inject('/api/things/1')
  expect(response.statusCode).toBe(429)
  expect(response.headers).toMatchObject({
    'retry-after': '2',
    'retry-after-ms': '1500',
    'x-extra': '1',
  })
})

test('S18 a method that a path does not have is 405 with the ones it has, an unknown path is 404', async () => {
  await using app = await openApp()
  const wrong = await app.inject({ method: 'DELETE', url: '/api/things/1?x=1' })
  expect(wrong.statusCode).toBe(405)
  expect(wrong.headers['allow']).toBe('GET, HEAD')
  expect(wrong.json().error.code).toBe('method_not_allowed')
  const unknown = await app.inject('/api/thing')
  expect(unknown.statusCode).toBe(404)
  expect(unknown.json().error.code).toBe('not_found')
})

test('S78 an error that nobody foresaw tells the client nothing but a request id', async () => {
  await using app = await openApp()
  const response = await app.inject('/api/broken')
  expect(response.statusCode).toBe(500)
  expect(response.body).not.toContain('hunter2')
  expect(response.json().error).toMatchObject({ code: 'internal_error', requestId: 'req_test' })
})
