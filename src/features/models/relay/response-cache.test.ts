import { expect, test } from 'vitest'
import { type CacheKeyParts, createResponseCache } from './response-cache.ts'

const json = ['content-type', 'application/json']
const sse = ['Content-Type', 'text/event-stream; charset=utf-8']

const asked: CacheKeyParts = {
  workspaceId: 'default',
  keyId: 'key_1',
  method: 'POST',
  route: 'chat/completions',
  headers: ['accept', '*/*', 'user-agent', 'curl'],
  body: Buffer.from('{"model":"m"}'),
}

function createCache(limits: { bytesMax?: number; ttlMs?: number } = {}) {
  const config = { bytesMax: 64 * 1024 * 1024, ttlMs: 1000, ...limits }
  const time = { ms: 0 }
  const clock = { now: () => 0, elapsed: () => time.ms }
  return { cache: createResponseCache({ clock }, () => config), config, time }
}

type Cache = ReturnType<typeof createCache>['cache']

interface Answer {
  readonly body: string | string[]
  readonly headers?: readonly string[]
}

function store(cache: Cache, key: string, { body, headers = json }: Answer) {
  const recorder = cache.recorder(key)
  recorder.start(200, headers)
  for (const chunk of [body].flat()) recorder.chunk(Buffer.from(chunk))
  recorder.end()
}

function textOf(cache: Cache, key: string): string | undefined {
  const found = cache.get(key)
  return found && Buffer.concat([...found.chunks]).toString()
}

test('an answer is found again until it is stale', () => {
  const { cache, time } = createCache({ ttlMs: 1000 })
  const key = cache.key(asked)
  expect(cache.get(key)).toBeUndefined()
  store(cache, key, { body: '{"id":1}' })
  time.ms = 999
  expect(textOf(cache, key)).toBe('{"id":1}')
  time.ms = 1000
  expect(textOf(cache, key)).toBeUndefined()
  expect([cache.hits, cache.misses, cache.sizeBytes]).toEqual([1, 2, 0])
})

test.each([
  { workspaceId: 'other' },
  { keyId: 'key_2' },
  { method: 'GET' },
  { route: 'responses' },
  { headers: ['Accept', 'text/event-stream'] },
  { headers: ['accept', '*/*', 'OpenAI-Beta', 'x=1'] },
  { body: Buffer.from('{"model":"m" }') },
])('another key, route, header or byte is another question: %j', (change) => {
  const { cache } = createCache()
  expect(cache.key({ ...asked, ...change })).not.toBe(cache.key(asked))
})

test('a header that says nothing about the answer changes nothing', () => {
  const { cache } = createCache()
  const headers = ['Accept', '*/*', 'user-agent', 'other']
  expect(cache.key({ ...asked, headers })).toBe(cache.key(asked))
})

test('what belongs to one exchange is not kept with its answer', () => {
  const { cache } = createCache()
  const headers = [
    ...json,
    'X-Request-Id',
    'r1',
    'x-ratelimit-remaining-requests',
    '3',
    'openai-version',
    '1',
  ]
  store(cache, 'k', { body: '{}', headers })
  expect(cache.get('k')?.headers).toEqual([...json, 'openai-version', '1'])
})

test('a stream is replayed chunk by chunk', () => {
  const { cache } = createCache()
  const chunks = ['data: {"a":', '1}\n\n', 'data: [DONE]\n\n']
  store(cache, 'k', { body: chunks, headers: sse })
  expect(cache.get('k')?.chunks.map(String)).toEqual(chunks)
})

test.each([
  ['a stream without an end', 'data: {"a":1}\n\n', sse],
  [
    'an error in a stream',
    'data: {"a":1}\n\ndata: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n',
    sse,
  ],
  [
    'an error event',
    'event: error\ndata: {"type":"error","error":{}}\n\nevent: message_stop\n\n',
    sse,
  ],
  ['an error body with status 200', '{"error":{"message":"x"}}', json],
  ['a compressed stream', 'data: [DONE]\n\n', [...sse, 'content-encoding', 'gzip']],
])('%s is not kept', (_what, body, headers) => {
  const { cache } = createCache()
  store(cache, 'k', { body, headers })
  expect(cache.get('k')).toBeUndefined()
})

test.each([
  ['a response whose error is null', '{"object":"response","error":null}', json],
  ['an answer that talks about "error"', '{"content":"say {\\"error\\":1}"}', json],
  ['speech', 'ID3"error"', ['content-type', 'audio/mpeg']],
])('%s is kept', (_what, body, headers) => {
  const { cache } = createCache()
  store(cache, 'k', { body, headers })
  expect(textOf(cache, 'k')).toBe(body)
})

test('errors, broken answers and answers that are too large are not kept', () => {
  const { cache } = createCache()
  const failed = cache.recorder('failed')
  failed.start(500, json)
  failed.chunk(Buffer.from('{}'))
  failed.end()
  const broken = cache.recorder('broken')
  broken.start(200, json)
  broken.chunk(Buffer.from('{'))
  broken.discard()
  broken.end()
  const large = cache.recorder('large')
  large.start(200, ['content-type', 'audio/mpeg'])
  for (let at = 0; at < 3; at += 1) large.chunk(Buffer.alloc(512 * 1024))
  large.end()
  expect([cache.get('failed'), cache.get('broken'), cache.get('large')]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('memory stays within its bound, the least used going first', () => {
  const { cache } = createCache({ bytesMax: 100_000 })
  const body = JSON.stringify('x'.repeat(30_000))
  for (const key of ['a', 'b', 'c']) store(cache, key, { body })
  cache.get('a')
  store(cache, 'd', { body })
  expect(cache.sizeBytes).toBeLessThanOrEqual(100_000)
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined)).toEqual([
    true,
    false,
    true,
    true,
  ])
})

test('a reload takes effect: off, on again, and with other bounds', () => {
  const { cache, config } = createCache()
  store(cache, 'k', { body: '{}' })
  config.bytesMax = 0
  expect(cache.get('k')).toBeUndefined()
  store(cache, 'k', { body: '{}' })
  expect(cache.sizeBytes).toBe(0)
  config.bytesMax = 50_000
  expect(cache.get('k')).toBeUndefined()
  store(cache, 'k', { body: '{}' })
  expect(cache.get('k')).toBeDefined()
  cache.clear()
  expect(cache.get('k')).toBeUndefined()
})
