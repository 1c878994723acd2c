import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { bytes, embeddings, json, message, models, response } from './support/upstream-answers.ts'
import { gzipped } from './support/upstream-faults.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({ provider: { models: ['m', 'short@m'] } })
})

afterAll(() => gateway[Symbol.asyncDispose]())

const chat = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }

/** What a parser that writes anew would round, reorder, merge or lose. */
const unusual =
  '{ "big": 12345678901234567890, "tiny":1e-400,"exact": 1.0,\n\t"__proto__":{"a":1}, "a":1, "a":2, "text":"\\u0041\\/ 👩🏽‍🚀 \\ud800" }'

test.each(['chat/completions', 'completions', 'responses', 'embeddings', 'moderations', 'rerank'])(
  'an answer of %s passes with every byte',
  async (path) => {
    const body = Buffer.from(unusual)
    gateway.upstream.script(bytes(body, 'application/json; charset=utf-8'))
    const answer = await gateway.post(path, { ...chat, input: 'Hi' })
    expect(answer.bytes.toString()).toBe(unusual)
    expect(answer.headers['content-length']).toBe(String(body.length))
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  },
)

test.each(['chat/completions', 'completions', 'responses', 'embeddings', 'moderations', 'rerank'])(
  'a request for %s reaches the upstream with every byte but those of the model',
  async (path) => {
    const sent = `{"unknown":${unusual},"nested":{"model":"short"}, "model" : "short" ,"list":["model","short"]}`
    gateway.upstream.script(json(200, {}))
    expect((await gateway.post(path, sent)).status).toBe(200)
    expect(gateway.upstream.requests.at(-1)?.body.toString()).toBe(
      sent.replace('"model" : "short"', '"model" : "m"'),
    )
  },
)

test('embeddings stay in the form that was asked for', async () => {
  gateway.upstream.script(embeddings())
  const ask = { model: 'm', input: [[1, 2], [3]] }
  const coded = await gateway.post('embeddings', { ...ask, encoding_format: 'base64' })
  const base64 = Buffer.from(new Float32Array([0.25, -1, 2]).buffer).toString('base64')
  expect(coded.json()).toMatchObject({ data: [{ embedding: base64 }, { embedding: base64 }] })
  const plain = await gateway.post('embeddings', ask)
  expect(plain.json()).toMatchObject({ data: [{ embedding: [0.25, -1, 2] }, {}] })
  expect(gateway.upstream.requests.at(-1)?.json()).toEqual(ask)
})

test.each([
  ['responses', 'openai', response(), { 'x-request-id': 'req_upstream' }],
  ['messages', 'anthropic', message(), { 'request-id': 'req_anthropic' }],
])('the id that the upstream of %s gave is the client’s', async (...way) => {
  const [path, kind, behaviour, id] = way
  await using own = await startGateway({ provider: { kind } })
  own.upstream.script(behaviour)
  const answer = await own.post(path, { ...chat, max_tokens: 9 })
  expect(answer.headers).toMatchObject(id)
  expect(answer.headers['x-gateway-request-id']).toMatch(/^req_/)
})

test('a compressed answer passes as it is, and says so', async () => {
  gateway.upstream.script(gzipped(unusual))
  const answer = await gateway.post('chat/completions', chat)
  expect(answer.headers['content-encoding']).toBe('gzip')
  expect(answer.bytes.equals(gzipSync(unusual))).toBe(true)
})

test('a compressed request is sent on as the plain one that it stands for', async () => {
  gateway.upstream.script(json(200, {}))
  const answer = await gateway.post(
    'responses',
    zstdCompressSync(JSON.stringify({ ...chat, model: 'short' })),
    { headers: { 'content-encoding': 'zstd' } },
  )
  expect(answer.status).toBe(200)
  const received = gateway.upstream.requests.at(-1)
  expect(received?.json()).toEqual(chat)
  expect(received?.header('content-encoding')).toBeUndefined()
  expect(received?.header('content-length')).toBe(String(received?.body.length))
})

test.each([
  ['plain', { 'content-type': 'application/json' }, (body: Buffer) => body],
  ['compressed', { 'content-encoding': 'zstd' }, zstdCompressSync],
])('a %s body of more than 64 MiB is refused and goes nowhere', async (_how, headers, pack) => {
  const before = gateway.upstream.requests.length
  const padding = Buffer.alloc(64 * 1024 * 1024, ' ')
  const body = Buffer.concat([Buffer.from(JSON.stringify(chat)), padding])
  const answer = await gateway.post('chat/completions', pack(body) as Buffer, { headers })
  expect(answer.status).toBe(413)
  expect(answer.json()).toMatchObject({
    error: { type: 'invalid_request_error', code: 'request_too_large' },
  })
  expect(gateway.upstream.requests).toHaveLength(before)
})

test('the check of a provider tells the models that it has', async () => {
  gateway.upstream.script(models('m', 'm-new'))
  const { providers } = await gateway.portico.api<{ providers: { id: string }[] }>(
    'GET',
    '/api/providers',
  )
  const own = providers.find(({ id }) => id.startsWith('prov'))
  const checked = await gateway.portico.api('POST', `/api/providers/${own?.id}/check`)
  expect(JSON.stringify(checked)).toContain('m-new')
})
