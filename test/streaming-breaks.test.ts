import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import { chatEvents, event, startEventStream, writePiece } from './support/upstream-answers.ts'
import { delayed, hangUp, hangUpAfter } from './support/upstream-faults.ts'
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

/** The last event of a chunked answer that was cut. It is written at once, so that no framing stands within it. */
function lastEventOf(text: string): { name: string | undefined; data: Record<string, unknown> } {
  const at = text.lastIndexOf('\ndata: ')
  const name = /\nevent: (.+)\n?$/.exec(text.slice(0, at))?.[1]
  return { name, data: JSON.parse(text.slice(at + 7, text.indexOf('\n\n', at))) }
}

const interrupted = { type: 'upstream_error', code: 'stream_interrupted', param: null }

const anthropicError = {
  name: 'error',
  data: { type: 'error', error: { type: expect.stringMatching(/_error$/) } },
}

interface Dialect {
  readonly what: string
  readonly way: () => Gateway
  readonly path: string
  /** The event that tells of the failure; without a name, where the dialect has none. */
  readonly last: { readonly name?: string; readonly data: object }
}

const openAiError = { data: { error: interrupted } }
const responseError = {
  name: 'error',
  data: { type: 'error', code: 'stream_interrupted', error: interrupted },
}

const dialects: Dialect[] = [
  { what: 'chats', way: () => gateway, path: 'chat/completions', last: openAiError },
  { what: 'completions', way: () => gateway, path: 'completions', last: openAiError },
  { what: 'responses', way: () => gateway, path: 'responses', last: responseError },
  { what: 'messages', way: () => anthropic, path: 'messages', last: anthropicError },
  { what: 'translated messages', way: () => gateway, path: 'messages', last: anthropicError },
]

const whole = chatEvents(['He']).slice(0, 2)

const deaths: [string, Behaviour][] = [
  ['between two events', hangUpAfter(whole)],
  ['within an event', hangUpAfter([...whole, 'data: {"half'])],
  ['between CRLF events', hangUpAfter([...whole, 'data: {"choices":[]}\r\n\r\n'])],
  ['with a reset', resetAfterBeginning],
]

describe.each(dialects)('an upstream of $what that dies', ({ way, path, last }) => {
  test.each(deaths)('%s ends in an error and a cut', async (_when, behaviour) => {
    way().upstream.script(behaviour)
    const text = await streamOf(way(), path)
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    const told = lastEventOf(text)
    expect(told.data).toMatchObject(last.data)
    expect(told.name).toBe(last.name)
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
