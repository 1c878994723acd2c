import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import {
  chatEvents,
  event,
  eventStream,
  messageStream,
  responseStream,
  startEventStream,
  writePiece,
} from './support/upstream-answers.ts'
import { inBandError } from './support/upstream-faults.ts'

let gateway: Gateway
/** Has a budget, so that usage is asked for on behalf of its clients and its streams are filtered. */
let budgeted: Gateway
let anthropic: Gateway

beforeAll(async () => {
  ;[gateway, budgeted, anthropic] = await Promise.all([
    startGateway(),
    startGateway({
      provider: { prices: { '*': { input: 1, output: 1 } } },
      key: { budget: { total: 1_000 } },
    }),
    startGateway({ provider: { kind: 'anthropic' } }),
  ])
})

afterAll(async () => {
  await Promise.all([gateway, budgeted, anthropic].map((one) => one[Symbol.asyncDispose]()))
})

const streamed = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true }

/** Everything that the format of event streams allows and that a parser which writes anew would lose. */
const unusual = Buffer.from(
  [
    ': a comment at the start\n\n',
    'retry: 1500\nid: 7\nevent: odd\ndata:no space\ndata:  two spaces\ndata\n\n',
    'data: {"choices":[{"delta":{"content":"naïve 👩🏽‍🚀 \u2028"}}],\r\ndata: "z":9007199254740993}\r\n\r\n',
    'unknown: field\ndata: {"choices" : [ ], "note":"no usage"}\n\n\n\n',
    ': "usage" in a comment\n:\n\n',
    'data: {"choices":[{"delta":{"content":"\\u0041\\ud83d"}}],"usage":null}\n\n',
    'data: [DONE]\n\n: afterwards\n\n',
  ].join(''),
)

const ways: [string, () => Gateway, string][] = [
  ['a chat', () => gateway, 'chat/completions'],
  ['a chat whose usage is counted', () => budgeted, 'chat/completions'],
  ['a completion', () => gateway, 'completions'],
  ['a response', () => gateway, 'responses'],
  ['a message', () => anthropic, 'messages'],
  ['a route that nobody knows', () => gateway, 'threads/runs'],
]

describe.each(ways)('%s', (_what, way, path) => {
  test('passes with every byte when it comes byte by byte', async () => {
    way().upstream.script(eventStream(Array.from(unusual, (byte) => Buffer.of(byte))))
    const answer = await way().post(path, streamed)
    expect(answer.bytes.toString()).toBe(unusual.toString())
  })

  test('passes with every byte wherever it is cut', async () => {
    const cuts = fc.uniqueArray(fc.nat(unusual.length), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const edges = [0, ...at.toSorted((a, b) => a - b), unusual.length]
        way().upstream.script(
          eventStream(edges.slice(1).map((end, index) => unusual.subarray(edges[index], end))),
        )
        expect((await way().post(path, streamed)).bytes.equals(unusual)).toBe(true)
      }),
      { numRuns: 15 },
    )
  })
})

test.each([
  ['responses', () => gateway, responseStream()],
  ['messages', () => anthropic, messageStream()],
])('usage in a stream of %s is part of it, and stays', async (path, way, behaviour) => {
  way().upstream.script(behaviour)
  const answer = await way().post(path, streamed)
  expect(answer.text).toContain('"output_tokens":4')
  expect(answer.text.trimEnd().split('\n\n')).toHaveLength(8)
})

test('the head arrives while the upstream has not yet said a word', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  gateway.upstream.script(async (call) => {
    await call.receive()
    await startEventStream(call)
    await promise
    await writePiece(call, event('[DONE]'))
    call.res.end()
  })
  using client = await openRawClient(gateway.portico.port)
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  client.send(formatRequest('POST /v1/chat/completions', headers, JSON.stringify(streamed)))
  const head = (await client.until('\r\n\r\n')).toString()
  expect(head).toMatch(/^HTTP\/1\.1 200 /)
  expect(head.endsWith('\r\n\r\n')).toBe(true)
  resolve()
  expect((await client.closed).toString()).toContain('data: [DONE]')
})

test('an event arrives before the upstream has begun the next one', async () => {
  const events = chatEvents(['one', 'two', 'three'])
  let proceed = Promise.withResolvers<void>()
  gateway.upstream.script(async (call) => {
    await call.receive()
    await startEventStream(call)
    for (const piece of events) {
      await writePiece(call, piece)
      await proceed.promise
      proceed = Promise.withResolvers<void>()
    }
    call.res.end()
  })
  using client = await openRawClient(gateway.portico.port)
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  client.send(formatRequest('POST /v1/chat/completions', headers, JSON.stringify(streamed)))
  for (const piece of events) {
    await client.until(piece)
    proceed.resolve()
  }
  expect((await client.closed).toString()).toMatch(/\r\n0\r\n\r\n$/)
})

test('the head of a stream has what proxies and clients need, and nothing that speaks for our origin', async () => {
  const own = {
    'cache-control': 'public, max-age=60',
    server: 'uvicorn',
    'set-cookie': 'session=1',
    'alt-svc': 'h3=":443"',
    'strict-transport-security': 'max-age=1',
    'access-control-allow-origin': '*',
  }
  const passed = {
    'openai-processing-ms': '12',
    'openai-organization': 'org-1',
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-tokens': '149984',
    'x-ratelimit-reset-requests': '1s',
    'x-generation-id': 'gen-1',
  }
  gateway.upstream.script(eventStream(chatEvents(['Hi']), { headers: { ...own, ...passed } }))
  const { headers } = await gateway.post('chat/completions', streamed)
  expect(headers).toMatchObject({
    ...passed,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    'x-request-id': 'req_upstream',
    'x-gateway-request-id': expect.stringMatching(/^req_/),
    'x-gateway-resolved-model': 'm',
  })
  for (const name of ['content-length', 'server', 'set-cookie', 'alt-svc', 'x-powered-by']) {
    expect(headers).not.toHaveProperty(name)
  }
  for (const [name, value] of Object.entries(own)) expect(headers[name]).not.toBe(value)
})

test('a stream that the upstream compressed passes as it is, and says so', async () => {
  const compressed = gzipSync(chatEvents(['Hello']).join(''))
  budgeted.upstream.script(
    eventStream([compressed.subarray(0, 30), compressed.subarray(30)], {
      headers: { 'content-encoding': 'gzip' },
    }),
  )
  const answer = await budgeted.post('chat/completions', streamed, {
    headers: { 'accept-encoding': 'gzip' },
  })
  expect(answer.headers['content-encoding']).toBe('gzip')
  expect(answer.bytes.equals(compressed)).toBe(true)
  expect(budgeted.upstream.requests.at(-1)?.header('accept-encoding')).toBe('identity')
})

test('an error that the upstream reports within a stream passes as it came', async () => {
  const pieces = [...chatEvents(['He']).slice(0, 2), inBandError(), event('[DONE]')]
  gateway.upstream.script(eventStream(pieces))
  expect((await gateway.post('chat/completions', streamed)).text).toBe(pieces.join(''))
})

test.each([
  ['asks for usage', { include_usage: true }, true],
  ['says nothing of usage', undefined, false],
  ['wants no usage', { include_usage: false }, false],
])('a client that %s gets what it asked for', async (_what, stream_options, isPassed) => {
  const asked = { ...streamed, ...(stream_options && { stream_options }) }
  budgeted.upstream.script(
    eventStream(chatEvents(['Hi'], { includeUsage: true }), { intervalMs: 1 }),
  )
  const answer = await budgeted.post('chat/completions', asked)
  expect(answer.text).toBe(chatEvents(['Hi'], { includeUsage: isPassed }).join(''))
  expect(budgeted.upstream.requests.at(-1)?.json()['stream_options']).toMatchObject({
    include_usage: true,
  })
})
