import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import { chatEvents, event, startEventStream, writePiece } from './support/upstream-answers.ts'
import { delayed, hangUp, hangUpAfter, stallAfter } from './support/upstream-faults.ts'
import type { Behaviour } from './support/upstream.ts'

const settings = { 'models.cooldown.failures': 100_000, 'models.attemptsMax': 1 }

let gateway: Gateway
let anthropic: Gateway

beforeAll(async () => {
  ;[gateway, anthropic] = await Promise.all([
    startGateway({ settings }),
    startGateway({ settings, provider: { kind: 'anthropic' } }),
  ])
})

afterAll(async () => {
  await Promise.all([gateway[Symbol.asyncDispose](), anthropic[Symbol.asyncDispose]()])
})

const streamed = {
  model: 'm',
  messages: [{ role: 'user', content: 'Hi' }],
  max_tokens: 10,
  stream: true,
}

/** All that comes back over a connection of its own until it is closed or cut. */
async function streamOf({ portico, key }: Gateway, path: string): Promise<string> {
  using client = await openRawClient(portico.port)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  client.send(formatRequest(`POST /v1/${path}`, headers, JSON.stringify(streamed)))
  return (await client.closed).toString()
}

/** The events within a chunked answer, without the framing around them. */
function lastEventOf(text: string): { name: string | undefined; data: Record<string, unknown> } {
  const at = text.lastIndexOf('\ndata: ')
  const name = /\nevent: (.+)\n?$/.exec(text.slice(0, at))?.[1]
  return { name, data: JSON.parse(text.slice(at + 7, text.indexOf('\n\n', at))) }
}

const interrupted = { type: 'upstream_error', code: 'stream_interrupted', param: null }

const dialects: [string, () => Gateway, string, string | undefined, object][] = [
  ['chats', () => gateway, 'chat/completions', undefined, { error: interrupted }],
  ['completions', () => gateway, 'completions', undefined, { error: interrupted }],
  [
    'responses',
    () => gateway,
    'responses',
    'error',
    { type: 'error', code: 'stream_interrupted', error: interrupted },
  ],
  [
    'messages',
    () => anthropic,
    'messages',
    'error',
    { type: 'error', error: { type: expect.stringMatching(/_error$/) } },
  ],
  [
    'messages that are translated',
    () => gateway,
    'messages',
    'error',
    { type: 'error', error: { type: expect.stringMatching(/_error$/) } },
  ],
]

const whole = chatEvents(['He']).slice(0, 2)

const deaths: [string, Behaviour][] = [
  ['between two events', hangUpAfter(whole)],
  ['within an event', hangUpAfter([...whole, 'data: {"half'])],
  ['between CRLF events', hangUpAfter([...whole, 'data: {"choices":[]}\r\n\r\n'])],
  ['with a reset', resetAfterBeginning],
]

describe.each(dialects)('an upstream of %s that dies', (_what, way, path, name, data) => {
  test.each(deaths)('%s ends in an error and a cut', async (_when, behaviour) => {
    way().upstream.script(behaviour)
    const text = await streamOf(way(), path)
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    const last = lastEventOf(text)
    expect(last.data).toMatchObject(data)
    expect(last.name).toBe(name)
    expect(text).not.toContain('[DONE]')
    expect(text).not.toContain('message_stop')
    expect(text).not.toContain('response.completed')
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
  })

  test('before its head gives a true status and a body', async () => {
    way().upstream.script(hangUp())
    const answer = await way().post(path, streamed)
    expect(answer.status).toBe(502)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.json()).toMatchObject({ error: { message: expect.any(String) } })
  })
})

test('an upstream that falls silent for too long ends in an error and a cut', async () => {
  await using own = await startGateway({ provider: { timeouts: { idleMs: 100 } } })
  own.upstream.script(stallAfter(whole))
  const text = await streamOf(own, 'chat/completions')
  expect(lastEventOf(text).data).toMatchObject({ error: { code: 'stream_interrupted' } })
  expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
})

test('comments of ours do not keep a silent upstream alive', async () => {
  await using own = await startGateway({
    settings: { 'models.keepAliveCommentMs': 1 },
    provider: { timeouts: { idleMs: 1_500 } },
  })
  own.upstream.script(stallAfter(whole))
  const text = await streamOf(own, 'chat/completions')
  expect(text).toContain(': keep-alive\n\n')
  expect(lastEventOf(text).data).toMatchObject({ error: { code: 'stream_interrupted' } })
})

test('a provider whose clients choke on comments sends none', async () => {
  await using own = await startGateway({
    settings: { 'models.keepAliveCommentMs': 1 },
    provider: { options: { keepAliveComments: false } },
  })
  own.upstream.script(async (call) => {
    await call.receive()
    await startEventStream(call)
    await writePiece(call, whole[0] ?? '')
    await delayed(1_200, ({ res }) => void res.end(event('[DONE]')))(call)
  })
  const answer = await own.post('chat/completions', streamed)
  expect(answer.text).toBe(`${whole[0]}${event('[DONE]')}`)
})

async function resetAfterBeginning(call: Parameters<Behaviour>[0]): Promise<void> {
  await call.receive()
  await startEventStream(call)
  for (const piece of whole) await writePiece(call, piece)
  call.socket.resetAndDestroy()
}
