import { expect, test } from 'vitest'
import { openModelManagement } from '../../../../test/support/model-management.ts'

const secretText = 'sk-upstream-secret-0042'
const openai = {
  name: 'OpenAI',
  kind: 'openai',
  baseUrl: 'https://api.openai.example/v1/',
  apiKey: secretText,
  models: ['gpt-4o', 'fast@gpt-4o-mini'],
}

test('a new provider is shown, listed and callable at once, and its credential is never shown', async () => {
  await using models = await openModelManagement()
  const created = await models.ask('POST', '/api/providers', openai)
  expect(created.status).toBe(201)
  expect(created.json).toMatchObject({
    workspaceId: 'default',
    name: 'OpenAI',
    baseUrl: 'https://api.openai.example/v1',
    credentials: [{ last4: '0042' }],
    models: openai.models,
    enabled: true,
    health: { state: 'ready', retryInMs: 0 },
  })
  const [target] = models.catalogue.resolve('default', 'fast')?.targets ?? []
  expect(target?.model).toBe('gpt-4o-mini')
  expect(target?.provider.credentials[0]?.secret?.reveal()).toBe(secretText)
  const list = await models.ask('GET', '/api/providers')
  expect(list.json.providers.map(({ name }: { name: string }) => name)).toEqual([
    'portico',
    'OpenAI',
  ])
  const one = await models.ask('GET', `/api/providers/${created.json.id}`)
  expect(one.json).toEqual(created.json)
  expect(created.text + list.text + one.text).not.toContain('secret-0042')
})

test('neither the tables nor the audit trail hold a credential or a secret header in the clear', async () => {
  await using models = await openModelManagement()
  const headers = { 'X-Team': 'blue', 'X-Auth-Token': 'tok-very-secret' }
  const { json } = await models.ask('POST', '/api/providers', { ...openai, headers })
  await models.ask('PATCH', `/api/providers/${json.id}`, { apiKey: 'sk-another-secret-0043' })
  const rows = await models.store.db.selectFrom('providers').selectAll().execute()
  const audit = await models.store.db.selectFrom('audit').selectAll().execute()
  const stored = JSON.stringify([rows, audit])
  expect(audit.map(({ action }) => action)).toEqual(['provider.create', 'provider.update'])
  expect(audit[0]).toMatchObject({ actor: 'key_default', targetId: json.id, requestId: 'req_test' })
  expect(stored).not.toMatch(/secret-004|very-secret/)
  expect(json.headers).toEqual({ 'x-team': 'blue', 'x-auth-token': '[secret]' })
  const live = models.catalogue.provider('default', json.id)
  expect(live?.headers).toContainEqual(['x-auth-token', 'tok-very-secret'])
  expect(live?.credentials[0]?.secret?.reveal()).toBe('sk-another-secret-0043')
})

test('a change keeps what it does not mention', async () => {
  await using models = await openModelManagement()
  const created = await models.ask('POST', '/api/providers', {
    ...openai,
    headers: { 'x-api-token': 'hidden', 'x-plain': '1' },
    prices: { '*': { input: 1, output: 2 } },
    options: { keepAliveComments: false },
    timeouts: { idleMs: 5000 },
  })
  const changed = await models.ask('PATCH', `/api/providers/${created.json.id}`, {
    weight: 5,
    headers: { 'x-api-token': '[secret]', 'x-plain': '2' },
  })
  const { updatedAt: _updatedAt, ...rest } = created.json
  expect(changed.status).toBe(200)
  expect(changed.json).toMatchObject({
    ...rest,
    weight: 5,
    headers: { 'x-api-token': '[secret]', 'x-plain': '2' },
  })
  const live = models.catalogue.provider('default', 'OpenAI')
  expect(live?.headers).toContainEqual(['x-api-token', 'hidden'])
  expect(live?.timeouts).toMatchObject({ idleMs: 5000, connectMs: 10_000 })
})

test('a disabled provider is no target from the next request on', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', openai)
  await models.ask('PATCH', `/api/providers/${json.id}`, { enabled: false })
  expect(models.catalogue.resolve('default', 'gpt-4o')).toBeUndefined()
  const shown = await models.ask('GET', `/api/providers/${json.id}`)
  expect(shown.json.health.state).toBe('disabled')
})

test('several credentials are kept with their labels', async () => {
  await using models = await openModelManagement()
  const { apiKey: _apiKey, ...rest } = openai
  const { json } = await models.ask('POST', '/api/providers', {
    ...rest,
    apiKeys: ['sk-first-credential', { label: 'second', key: 'short' }],
  })
  expect(json.credentials).toMatchObject([
    { label: '', last4: 'tial' },
    { label: 'second', last4: '' },
  ])
})

test('a stored credential is never sent to another host', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', openai)
  const url = `/api/providers/${json.id}`
  const moved = await models.ask('PATCH', url, { baseUrl: 'https://evil.example/v1' })
  expect(moved.status).toBe(400)
  expect(moved.json.error.issues[0].path).toBe('apiKey')
  const samePlace = await models.ask('PATCH', url, { baseUrl: 'https://api.openai.example/v2' })
  expect(samePlace.status).toBe(200)
  const withKey = await models.ask('PATCH', url, { baseUrl: 'https://b.example', apiKey: 'new' })
  expect(withKey.status).toBe(200)
  const live = models.catalogue.provider('default', 'OpenAI')
  expect(live?.baseUrl.origin).toBe('https://b.example')
  expect(live?.credentials[0]?.secret?.reveal()).toBe('new')
})

test('a private address is refused with a hint, and reached with allowPrivate', async () => {
  await using models = await openModelManagement()
  const ollama = { name: 'Ollama', kind: 'ollama', baseUrl: 'http://127.0.0.1:11434/v1' }
  const refused = await models.ask('POST', '/api/providers', ollama)
  expect(refused.status).toBe(400)
  expect(refused.json.error).toMatchObject({
    code: 'destination_not_allowed',
    hint: expect.stringContaining('allowPrivate'),
  })
  const allowed = await models.ask('POST', '/api/providers', { ...ollama, allowPrivate: true })
  expect(allowed.status).toBe(201)
  expect(models.catalogue.provider('default', 'Ollama')).toMatchObject({
    allowPrivate: true,
    baseUrl: { host: '127.0.0.1', port: 11_434, basePath: '/v1' },
  })
})

test('leave to reach a private address belongs to host and port, and ends when they change', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', {
    name: 'Ollama',
    kind: 'ollama',
    baseUrl: 'http://127.0.0.1:11434',
    allowPrivate: true,
  })
  const url = `/api/providers/${json.id}`
  const elsewhere = await models.ask('PATCH', url, { baseUrl: 'http://127.0.0.1:3437' })
  expect(elsewhere.json.error.code).toBe('destination_not_allowed')
  expect((await models.ask('PATCH', url, { baseUrl: 'http://127.0.0.1:11434/v1' })).status).toBe(
    200,
  )
})

test('only an admin gives leave to reach a private address', async () => {
  await using models = await openModelManagement()
  models.as('manage')
  const answer = await models.ask('POST', '/api/providers', {
    name: 'x',
    kind: 'custom',
    baseUrl: 'http://127.0.0.1:3437',
    allowPrivate: true,
  })
  expect(answer).toMatchObject({ status: 403, json: { error: { code: 'insufficient_scope' } } })
})

test('a workspace’s own manager can change the rest of a provider with that leave, but not where it leads', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', {
    name: 'Ollama',
    kind: 'ollama',
    baseUrl: 'http://127.0.0.1:11434',
    allowPrivate: true,
  })
  models.as('manage')
  const url = `/api/providers/${json.id}`
  expect((await models.ask('PATCH', url, { allowPrivate: true, weight: 2 })).status).toBe(200)
  const baseUrl = 'http://127.0.0.1:3437'
  expect((await models.ask('PATCH', url, { allowPrivate: true, baseUrl })).status).toBe(403)
})

test.each([
  ['a scheme that is not HTTP', { baseUrl: 'file:///etc/passwd' }],
  ['a user name in the URL', { baseUrl: 'https://user:pass@api.example' }],
  ['a query in the URL', { baseUrl: 'https://api.example/v1?x=1' }],
  ['the decimal form of a private address', { baseUrl: 'http://2130706433/' }],
  ['a line break in a header', { headers: { 'x-a': 'b\r\nc: d' } }],
  ['a header of the connection', { headers: { Host: 'evil' } }],
  ['a control character in a model name', { models: ['gpt\u0000'] }],
  ['a credential that fits no header', { apiKey: 'sk-ü' }],
  ['both forms of credentials', { apiKeys: ['x'] }],
  ['a negative price', { prices: { '*': { input: -1, output: 1 } } }],
  ['a kind that does not exist', { kind: 'builtin' }],
])('%s is refused, and nothing is stored', async (_what, fields) => {
  await using models = await openModelManagement()
  const answer = await models.ask('POST', '/api/providers', { ...openai, ...fields })
  expect(answer.status).toBe(400)
  const rows = await models.store.db.selectFrom('providers').select('id').execute()
  expect(rows).toEqual([])
})

test('S06 fields that are not the caller’s to set are refused', async () => {
  await using models = await openModelManagement()
  const answer = await models.ask('POST', '/api/providers', { ...openai, id: 'prov_mine' })
  expect(answer).toMatchObject({ status: 400, json: { error: { code: 'unknown_field' } } })
})

test('a name is taken once a workspace, and the built-in one never', async () => {
  await using models = await openModelManagement()
  await models.ask('POST', '/api/providers', openai)
  expect((await models.ask('POST', '/api/providers', openai)).json.error.code).toBe('conflict')
  const elsewhere = await models.ask('POST', '/api/providers?workspace=other', openai)
  expect(elsewhere).toMatchObject({ status: 201, json: { workspaceId: 'other' } })
  const reserved = await models.ask('POST', '/api/providers', { ...openai, name: 'Portico' })
  expect(reserved).toMatchObject({ status: 409, json: { error: { code: 'reserved_name' } } })
})

test('S05 what belongs to another workspace is not found, and stays as it is', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', openai)
  const url = `/api/providers/${json.id}`
  models.as('manage', 'other')
  const unknown = await models.ask('GET', '/api/providers/prov_nowhere')
  expect(unknown.status).toBe(404)
  const attempts = [
    await models.ask('GET', url),
    await models.ask('PATCH', url, { enabled: false }),
    await models.ask('DELETE', url),
    await models.ask('POST', `${url}/check`),
  ]
  for (const attempt of attempts) {
    expect(attempt.status).toBe(404)
    expect(attempt.json.error.message).toBe(unknown.json.error.message)
  }
  expect((await models.ask('GET', '/api/providers?workspace=default')).status).toBe(404)
  models.as('admin')
  expect((await models.ask('GET', url)).json).toEqual(json)
})

test('a provider that aliases use is deleted only by force', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', openai)
  const alias = { name: 'smart', targets: [{ provider: 'OpenAI', model: 'gpt-4o' }] }
  const { json: made } = await models.ask('POST', '/api/aliases', alias)
  const refused = await models.ask('DELETE', `/api/providers/${json.id}`)
  expect(refused).toMatchObject({ status: 409, json: { error: { code: 'conflict' } } })
  expect(refused.json.error.message).toContain('"smart"')
  const forced = await models.ask('DELETE', `/api/providers/${json.id}?force=true`)
  expect(forced).toMatchObject({ status: 204, text: '' })
  expect(models.catalogue.resolve('default', 'smart')).toBeUndefined()
  const left = await models.ask('GET', `/api/aliases/${made.id}`)
  expect(left.json).toMatchObject({ resolves: false, targets: [{ provider: null }] })
})

test('the built-in provider is shown and cannot be changed', async () => {
  await using models = await openModelManagement()
  expect((await models.ask('GET', '/api/providers/portico')).json.kind).toBe('builtin')
  expect((await models.ask('PATCH', '/api/providers/portico', { weight: 2 })).status).toBe(409)
  expect((await models.ask('DELETE', '/api/providers/portico')).status).toBe(409)
})

test('of two changes to one provider both are kept', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', openai)
  const url = `/api/providers/${json.id}`
  const answers = await Promise.all([
    models.ask('PATCH', url, { weight: 7 }),
    models.ask('PATCH', url, { priority: 3 }),
  ])
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect(models.catalogue.provider('default', 'OpenAI')).toMatchObject({ weight: 7, priority: 3 })
})

test('a check reports what the provider serves and what is listed without being served', async () => {
  const body = JSON.stringify({ object: 'list', data: [{ id: 'gpt-4o' }, { id: 'o9' }] })
  await using models = await openModelManagement(async () => ({ status: 200, body, ms: 12.4 }))
  const { json } = await models.ask('POST', '/api/providers', openai)
  const report = await models.ask('POST', `/api/providers/${json.id}/check`)
  expect(report.json).toEqual({
    ok: true,
    status: 200,
    latencyMs: 12,
    models: ['gpt-4o', 'o9'],
    missing: ['gpt-4o-mini'],
  })
})

test('a check that fails tells why, without the credential that the provider repeats', async () => {
  const body = `{"error":{"message":"Incorrect API key provided: ${secretText}"}}`
  await using models = await openModelManagement(async () => ({ status: 401, body, ms: 3 }))
  const { json } = await models.ask('POST', '/api/providers', openai)
  const report = await models.ask('POST', `/api/providers/${json.id}/check`)
  expect(report.json).toMatchObject({ ok: false, status: 401 })
  expect(report.json.error).toContain('[secret]')
  expect(report.text).not.toContain(secretText)
})

test('a check of something that is no list of models says so', async () => {
  await using models = await openModelManagement(async () => ({ status: 200, body: '<p>', ms: 3 }))
  const { json } = await models.ask('POST', '/api/providers', openai)
  const report = await models.ask('POST', `/api/providers/${json.id}/check`)
  expect(report.json).toMatchObject({ ok: false, models: [], missing: [] })
})
