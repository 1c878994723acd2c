import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'

const asked = '{"model":"m","messages":[{"role":"user","content":"Hi"}]}'

test('a request reaches the upstream byte for byte but for the name of the model', async () => {
  await using gateway = await startGateway()
  await gateway.portico.api('POST', '/api/aliases', {
    name: 'fast',
    targets: [{ provider: 'acme', model: 'm' }],
  })
  const body = (model: string) =>
    `{ "seed": 123456789012345678901234567890,\n\t"messages" : [{"role":"user","content":"\\u0041 \\"model\\":\\"fast\\""}],` +
    `"unheard_of":{"model":"fast","n":1.0},"model" : "${model}" , "temperature":1e0}`
  expect((await gateway.post('chat/completions', body('fast'))).status).toBe(200)
  expect(gateway.upstream.requests[0]?.body.toString()).toBe(body('m'))
})

test('a request that names two models sends the one that was judged, in every place', async () => {
  await using gateway = await startGateway({
    provider: { models: ['m', 'forbidden'] },
    key: { allowedModels: ['m'] },
  })
  const twice = '{"model":"forbidden","messages":[],"mod\\u0065l":"m"}'
  expect((await gateway.post('chat/completions', twice)).status).toBe(200)
  expect(gateway.upstream.requests[0]?.body.toString()).not.toContain('forbidden')
  const turned = '{"model":"m","messages":[],"model":"forbidden"}'
  expect((await gateway.post('chat/completions', turned)).status).toBe(403)
})

test('a compressed request is understood', async () => {
  await using gateway = await startGateway()
  const sent: [string, Buffer][] = [
    ['gzip', gzipSync(asked)],
    ['zstd', zstdCompressSync(asked)],
  ]
  for (const [encoding, body] of sent) {
    const headers = { 'content-encoding': encoding, 'content-type': 'application/json' }
    const answer = await gateway.post('chat/completions', body, { headers })
    expect([encoding, answer.status]).toEqual([encoding, 200])
  }
})

test('a client that asks whether to send its body is told to', async () => {
  await using gateway = await startGateway()
  using client = await openRawClient(gateway.portico.port)
  const headers = {
    authorization: `Bearer ${gateway.key}`,
    'content-type': 'application/json',
    expect: '100-continue',
    'content-length': String(asked.length),
  }
  client.send(formatRequest('POST /v1/chat/completions', headers))
  await client.until('HTTP/1.1 100 Continue\r\n\r\n')
  client.send(asked)
  expect((await client.closed).toString()).toContain('HTTP/1.1 200 OK')
})

test('a body above the limit is refused before it is read, in the words of OpenAI', async () => {
  await using gateway = await startGateway({ settings: { 'limits.modelBodyBytesMax': 1_000 } })
  const large = { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(5_000) }] }
  const answer = await gateway.post('chat/completions', large)
  expect(answer.status).toBe(413)
  expect(answer.json()).toMatchObject({
    error: { type: 'invalid_request_error', code: 'request_too_large' },
  })
  expect(gateway.upstream.requests).toHaveLength(0)
})

const malformed: [string, string][] = [
  ['is no JSON', '{"model":'],
  ['is no object', '["m"]'],
  ['names no model', '{"messages":[]}'],
  ['names a model that is no text', '{"model":7}'],
]

test.each(malformed)('a body that %s is refused with 400', async (_, body) => {
  await using gateway = await startGateway()
  const answer = await gateway.post('chat/completions', body)
  expect(answer.status).toBe(400)
  expect(answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } })
  expect(gateway.upstream.requests).toHaveLength(0)
})

test('every base serves the same routes', async () => {
  await using gateway = await startGateway()
  const { portico, key, upstream } = gateway
  for (const base of ['/v1', '/api/v1', '/api']) {
    const sent = { key, body: asked }
    const answer = await portico.send('POST', `${base}/chat/completions?trace=1`, sent)
    expect([base, answer.status]).toEqual([base, 200])
  }
  expect(upstream.requests.map((request) => request.url)).toEqual(
    Array(3).fill('/v1/chat/completions?trace=1'),
  )
})

test('Codex, which tries a WebSocket first, is sent back to POST at once', async () => {
  await using gateway = await startGateway()
  using client = await openRawClient(gateway.portico.port)
  client.send(
    formatRequest('GET /v1/responses', {
      authorization: `Bearer ${gateway.key}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }),
  )
  const refusal = (await client.closed).toString()
  expect(refusal).toMatch(/^HTTP\/1\.1 426 /)
  expect(refusal.toLowerCase()).toContain('connection: close')
  const streamed = { model: 'm', input: 'Hi', stream: true }
  const answer = await gateway.post('responses', zstdCompressSync(JSON.stringify(streamed)), {
    headers: { 'content-encoding': 'zstd', session_id: 's-1', originator: 'codex_cli_rs' },
  })
  expect(answer.text).toContain('response.completed')
  expect(gateway.upstream.requests[0]?.header('session_id')).toBe('s-1')
})
