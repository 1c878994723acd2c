import { expect, test } from 'vitest'
import { startGateway } from '../../../../test/support/portico.ts'
import { bytes, json } from '../../../../test/support/upstream-answers.ts'
import { startUpstream } from '../../../../test/support/upstream.ts'

test('a route that nobody knows passes with its method, path, query and body', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(bytes(Buffer.from([0, 1, 2]), 'application/x-thing'))
  const answer = await gateway.portico.send('PUT', '/v1/things/7?deep=1', {
    key: gateway.key,
    headers: { 'content-type': 'application/x-thing' },
    body: Buffer.from([3, 4, 5]),
  })
  expect(answer.bytes).toEqual(Buffer.from([0, 1, 2]))
  const [request] = gateway.upstream.requests
  expect(request).toMatchObject({ method: 'PUT', url: '/v1/things/7?deep=1' })
  expect(request?.body).toEqual(Buffer.from([3, 4, 5]))
})

test('a POST that announces JSON and sends nothing passes', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(json(200, { id: 'resp_1', status: 'cancelled' }))
  const answer = await gateway.post('responses/resp_1/cancel', '')
  expect(answer.json()).toMatchObject({ status: 'cancelled' })
})

test('an object is asked for where it was made', async () => {
  await using gateway = await startGateway({ provider: { models: ['m'] } })
  await using other = await startUpstream()
  await gateway.portico.addProvider(other, { name: 'other', models: ['n'] })
  other.script(json(200, { id: 'resp_77', object: 'response' }))
  await gateway.post('responses', { model: 'n', input: 'Hello' })
  await gateway.portico.send('GET', '/v1/responses/resp_77', { key: gateway.key })
  expect(other.requests.at(-1)?.url).toBe('/v1/responses/resp_77')
  expect(gateway.upstream.requests).toHaveLength(0)
})

test('without an object, a request goes to the provider that its header or its key names', async () => {
  await using gateway = await startGateway()
  await using other = await startUpstream()
  await gateway.portico.addProvider(other, { name: 'other' })
  const files = (headers = {}) => gateway.portico.send('GET', '/v1/files', { key, headers })
  const { key } = await gateway.portico.createKey({ defaultProvider: 'other' })
  await files()
  await files({ 'x-gateway-provider': 'acme' })
  expect([gateway.upstream.requests.length, other.requests.length]).toEqual([1, 1])
  const undecided = await gateway.portico.send('GET', '/v1/files', { key: gateway.key })
  expect(undecided.status).toBe(404)
  expect(undecided.json()).toMatchObject({ error: { code: 'provider_not_found' } })
})

test.each([
  ['GET', 'files', undefined],
  ['GET', 'responses/resp_1', undefined],
  ['POST', 'batches', { input_file_id: 'file-1' }],
  ['POST', 'chat/completions/', { model: 'secret' }],
  ['POST', 'Chat/Completions', { model: 'secret' }],
])(
  'a key that may call some models may not call what names none of them: %s %s',
  async (method, path, body) => {
    await using gateway = await startGateway({ key: { allowedModels: ['m'] } })
    const answer = await gateway.portico.send(method, `/v1/${path}`, {
      key: gateway.key,
      ...(body && { body }),
    })
    expect(answer.status).toBe(403)
    expect(gateway.upstream.requests).toHaveLength(0)
  },
)

test.each([
  ['a batch, whose cost nobody can tell', 'POST batches', 403],
  ['what nobody knows', 'POST threads/runs', 403],
  ['a model in a body that is not announced as JSON', 'POST chat/completions/', 403],
  ['a look at a file', 'GET files/file-1', 200],
  ['the end of a response', 'POST responses/resp_1/cancel', 200],
])('a key with a budget, and %s', async (_what, line, status) => {
  const [method = '', path = ''] = line.split(' ')
  await using gateway = await startGateway({
    provider: { prices: { '*': { input: 1, output: 1 } } },
    key: { budget: { total: 1 } },
  })
  gateway.upstream.script(json(200, {}))
  const answer = await gateway.portico.send(method, `/v1/${path}`, {
    key: gateway.key,
    headers: { 'content-type': 'text/plain' },
    ...(method === 'POST' && { body: '{"model":"m"}' }),
  })
  expect(answer.status).toBe(status)
})

test('a provider is chosen by header for a model within the allow-list, and only that', async () => {
  await using gateway = await startGateway({ key: { allowedModels: ['m'] } })
  const headers = { 'x-gateway-provider': 'acme' }
  const call = (model: string, provider = headers) =>
    gateway.post('chat/completions', { model, messages: [] }, { headers: provider })
  expect((await call('m')).status).toBe(200)
  expect((await call('secret')).status).toBe(403)
  expect((await call('m', { 'x-gateway-provider': 'nobody' })).status).toBe(404)
})

test.each([
  ['too long', 'x'.repeat(600)],
  ['half a character', '\ud800'],
])('a model name that is %s is refused, and nobody is blamed for it', async (_what, model) => {
  await using gateway = await startGateway({
    provider: { models: ['*'], kind: 'azure', options: { apiVersion: '2024-10-21' } },
  })
  const body = JSON.stringify({ model, messages: [] })
  const answer = await gateway.post('chat/completions', body)
  expect(answer.status).toBe(400)
  expect(answer.json()).toMatchObject({ error: { param: 'model' } })
  expect(gateway.upstream.requests).toHaveLength(0)
})

test('a model that is named in several ways reaches the upstream in one', async () => {
  await using gateway = await startGateway({ key: { allowedModels: ['m'] } })
  await gateway.post(
    'chat/completions',
    '{"model":"secret","Model":"secret","model":"m","messages":[]}',
  )
  expect(gateway.upstream.requests[0]?.body.toString()).toBe(
    '{"model":"m","Model":"m","model":"m","messages":[]}',
  )
})
