import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Answer, Gateway, Portico } from './support/portico.ts'

/** One operation of the OpenAPI document; `path` is filled in with an id that nothing has. */
interface Operation {
  readonly method: string
  readonly path: string
}

/** The error of an answer, as every route of the management API shapes it. */
interface Refusal {
  readonly error: { readonly code: string; readonly requestId: string }
}

let gateway: Gateway
let portico: Portico
let operations: readonly Operation[]
let providerId: string

beforeAll(async () => {
  gateway = await startGateway()
  portico = gateway.portico
  const { providers } = await portico.api<{ providers: { id: string; name: string }[] }>(
    'GET',
    '/api/providers',
  )
  providerId = providers.find(({ name }) => name === 'acme')?.id ?? ''
  const { paths } = await portico.api<{ paths: Record<string, object> }>('GET', '/api/openapi.json')
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  )
})

afterAll(() => gateway[Symbol.asyncDispose]())

test('S04 no management route answers without a key, or to a key that may only use models', async () => {
  expect(operations.length).toBeGreaterThan(25)
  const verdicts = await Promise.all(
    operations.map(async ({ method, path }) => {
      const route = path.replace('{id}', 'none')
      const without = await portico.send(method, route)
      const using = await portico.send(method, route, { key: gateway.key })
      return [`${method} ${path}`, describe(without), describe(using)]
    }),
  )
  expect(verdicts).toEqual(
    operations.map(({ method, path }) => [
      `${method} ${path}`,
      '401 invalid_api_key',
      '403 insufficient_scope',
    ]),
  )
})

test('S04 a path that nobody has is not open to strangers either', async () => {
  const stranger = await portico.send('GET', '/api/no-such-thing')
  expect(describe(stranger)).toBe('401 invalid_api_key')
  expect(stranger.headers['www-authenticate']).toBe('Bearer')
  const admin = await portico.send('GET', '/api/no-such-thing', { key: portico.adminKey })
  expect(describe(admin)).toBe('404 not_found')
  expect((await portico.send('GET', '/metrics')).status).toBe(401)
  expect(describe(await portico.send('GET', '/metrics', { key: gateway.key }))).toBe(
    '403 insufficient_scope',
  )
})

test('S05 what belongs to another workspace is not there, and stays as it is', async () => {
  const { id: workspaceId } = await portico.api('POST', '/api/workspaces', { name: 'other' })
  const tenant = await portico.createKey({ scopes: ['manage'], workspaceId })
  const alias = await portico.api('POST', '/api/aliases', {
    name: 'ours',
    targets: [{ provider: 'acme', model: 'm' }],
  })
  const { id: keyId } = await portico.createKey({ name: 'theirs' })
  const service = await portico.api('POST', '/api/services', {
    name: 'thoughts',
    upstream: { kind: 'builtin', server: 'think' },
  })
  const bundle = await portico.api('POST', '/api/bundles', { name: 'ours-too', members: [] })
  const targets: Record<string, unknown> = {
    keys: keyId,
    providers: providerId,
    aliases: alias['id'],
    workspaces: 'default',
    services: service['id'],
    bundles: bundle['id'],
  }
  const bodies: Record<string, object> = {
    PATCH: { name: 'taken' },
    PUT: { name: 'taken' },
    '/{name}': { value: 'x' },
    '/approve': { all: true },
  }
  const before = await everything()
  for (const { method, path } of operations.filter(({ path: route }) => route.includes('{id}'))) {
    const kind = path.split('/')[2] ?? ''
    const ask = async (id: unknown) => {
      const body = bodies[path.slice(path.lastIndexOf('/'))] ?? bodies[method]
      const route = path.replace('{id}', String(id))
      const answer = await portico.send(method, route, { key: tenant.key, ...(body && { body }) })
      return { status: answer.status, ...withoutRequestId(answer) }
    }
    const foreign = await ask(targets[kind])
    // Commands that requests wanted to run are for admins alone.
    const expected = path.includes('/commands/') ? 403 : 404
    expect([method, path, foreign.status]).toEqual([method, path, expected])
    expect(foreign).toEqual(await ask('none'))
  }
  for (const route of ['keys', 'providers', 'aliases', 'usage', 'audit', 'prompts']) {
    const answer = await portico.send('GET', `/api/${route}?workspace=default`, {
      key: tenant.key,
    })
    expect([route, describe(answer)]).toEqual([route, '404 not_found'])
  }
  expect(await everything()).toEqual(before)
})

test('S06 a field that does not exist is refused wherever it stands, and nothing is changed', async () => {
  const provider = { name: 'extra', kind: 'openai', baseUrl: 'https://api.example/v1' }
  const alias = { name: 'extra', targets: [{ provider: 'acme', model: 'm' }] }
  const cases: [method: string, path: string, body: object, field: string][] = [
    ['POST', '/api/keys', { name: 'x', id: 'key_mine' }, 'id'],
    ['POST', '/api/keys', { name: 'x', budget: { day: 1, spent: 0 } }, 'budget.spent'],
    ['PATCH', '/api/keys/key_admin', { hash: 'aa' }, 'hash'],
    ['PATCH', '/api/keys/key_admin', { workspaceId: 'other' }, 'workspaceId'],
    ['POST', '/api/workspaces', { name: 'x', ownerId: 'me' }, 'ownerId'],
    ['PATCH', '/api/workspaces/default', { name: 'x', id: 'y' }, 'id'],
    ['POST', '/api/providers', { ...provider, role: 'admin' }, 'role'],
    ['PATCH', `/api/providers/${providerId}`, { id: 'prov_mine' }, 'id'],
    ['POST', '/api/aliases', { ...alias, createdAt: 0 }, 'createdAt'],
  ]
  const before = await everything()
  for (const [method, path, body, field] of cases) {
    const answer = await portico.send(method, path, { key: portico.adminKey, body })
    expect([method, path, answer.status]).toEqual([method, path, 400])
    expect(answer.json()).toMatchObject({
      error: { code: 'unknown_field', issues: [{ path: field }] },
    })
  }
  expect(await everything()).toEqual(before)
})

test('S12 a key is judged alike in every carrier, and two different ones are refused', async () => {
  const { key } = await portico.createKey({ allowQuery: true })
  const carried = [
    portico.send('GET', '/api/keys', { key }),
    portico.send('GET', '/api/keys', { headers: { 'x-api-key': key } }),
    portico.send('GET', `/api/keys?apiKey=${key}`),
    portico.send('GET', `/api/keys?api_key=${key}`),
  ]
  for (const answer of await Promise.all(carried)) {
    expect(describe(answer)).toBe('403 insufficient_scope')
  }
  const two = await portico.send('GET', '/v1/models', { key, headers: { apikey: gateway.key } })
  expect(two.status).toBe(400)
  expect(two.text).toContain('ambiguous_credentials')
})

test('S13 a key in the query works only where it was made for that', async () => {
  const plain = await portico.createKey({ scopes: ['manage'] })
  const query = await portico.send('GET', `/api/keys?apiKey=${plain.key}`)
  expect(describe(query)).toBe('401 query_key_not_allowed')
  expect((await portico.send('GET', '/api/keys', { key: plain.key })).status).toBe(200)
  const made = await portico.createKey({ scopes: ['manage'], allowQuery: true })
  expect((await portico.send('GET', `/api/keys?apiKey=${made.key}`)).status).toBe(200)
})

test('S18 reading never changes state: GET and HEAD are 405 where only POST is', async () => {
  for (const path of [`/api/providers/${providerId}/check`, '/api/keys/key_admin/rotate']) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await portico.send(method, path, { key: portico.adminKey })
      expect([method, answer.status, answer.headers['allow']]).toEqual([method, 405, 'POST'])
    }
  }
  const overridden = await portico.send('GET', '/api/keys/key_admin', {
    key: portico.adminKey,
    headers: { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' },
  })
  expect(overridden.status).toBe(200)
})

test('S77 prototypes are out of reach through bodies, header maps and queries', async () => {
  const poison = '"__proto__":{"polluted":true}'
  const provider = '"name":"p","kind":"openai","baseUrl":"https://api.example/v1"'
  const bodies: [string, string][] = [
    ['/api/keys', `{"name":"x",${poison}}`],
    ['/api/keys', '{"name":"x","constructor":{"prototype":{"polluted":true}}}'],
    ['/api/providers', `{${provider},"headers":{${poison}}}`],
    ['/api/providers', `{${provider},"prices":{"__proto__":{"input":1}}}`],
  ]
  for (const [path, body] of bodies) {
    const answer = await portico.send('POST', path, { key: portico.adminKey, body })
    expect([body, answer.status]).toEqual([body, 400])
  }
  const query = await portico.send('GET', '/api/keys?__proto__[polluted]=1&constructor=1', {
    key: portico.adminKey,
  })
  expect(query.status).toBe(400)
  const chat = await gateway.post('chat/completions', `{"model":"m","messages":[],${poison}}`)
  expect(chat.status).toBe(200)
  expect(gateway.upstream.requests.at(-1)?.body.toString()).toContain(poison)
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('S79 the limit of a key holds to the request, whatever address its user claims to have', async () => {
  const { key } = await portico.createKey({ requestsPerMinute: 5 })
  const statuses: number[] = []
  const waits: number[] = []
  for (let count = 0; count < 7; count += 1) {
    const body = { model: 'm', messages: [] }
    const headers = { 'x-forwarded-for': `203.0.113.${count}`, 'x-real-ip': `203.0.113.${count}` }
    const answer = await portico.send('POST', '/v1/chat/completions', { key, headers, body })
    statuses.push(answer.status)
    waits.push(Number(answer.headers['retry-after'] ?? 0))
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429])
  expect(waits.map((seconds) => seconds > 0)).toEqual(statuses.map((status) => status === 429))
})

test('S79 an address that keeps trying unknown keys is slowed down, and valid keys still work', async () => {
  const statuses = new Set<number>()
  for (let count = 0; count < 60; count += 1) {
    const headers = { 'x-forwarded-for': `198.51.100.${count}` }
    const answer = await portico.send('GET', '/v1/models', { key: `ptk_guess${count}`, headers })
    statuses.add(answer.status)
  }
  expect([...statuses]).toEqual([401, 429])
  expect((await portico.send('GET', '/v1/models', { key: gateway.key })).status).toBe(200)
})

test('a management route that needs no body takes an empty one that calls itself JSON', async () => {
  const answer = await portico.send('POST', `/api/providers/${providerId}/check`, {
    key: portico.adminKey,
    headers: { 'content-type': 'application/json' },
  })
  expect(answer.status).toBe(200)
  expect(answer.json()).toMatchObject({ ok: true })
})

function describe(answer: Answer): string {
  const { error } = answer.json<Refusal>()
  return `${answer.status} ${error.code}`
}

function withoutRequestId(answer: Answer): object {
  const { error } = answer.json<Refusal>()
  const { requestId: _differs, ...rest } = error
  return rest
}

/** All that the admin sees of state, but for the audit trail, which records the admin's own requests. */
async function everything(): Promise<unknown[]> {
  const routes = ['keys', 'workspaces', 'providers', 'aliases', 'services', 'bundles', 'audit']
  return Promise.all(routes.map((route) => portico.api('GET', `/api/${route}`)))
}
