import { expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import { chatEvents, eventStream } from './support/upstream-answers.ts'
import { stall, stallAfter } from './support/upstream-faults.ts'

const chat = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }
const timedOut = { error: { type: 'upstream_error', code: 'timeout' } }

test('an upstream that does not begin its answer in time is a 504', async () => {
  await using gateway = await startGateway({ provider: { timeouts: { firstByteMs: 100 } } })
  gateway.upstream.script(stall())
  const answer = await gateway.post('chat/completions', chat)
  expect(answer.status).toBe(504)
  expect(answer.json()).toMatchObject(timedOut)
  const request = await gateway.upstream.arrival(1)
  await request.abandoned
})

test('an upstream that falls silent within a stream is an error within it', async () => {
  await using gateway = await startGateway({ provider: { timeouts: { idleMs: 100 } } })
  const begun = chatEvents(['Hello']).slice(0, 2)
  gateway.upstream.script(stallAfter(begun))
  const received = await readStream(gateway)
  expect(received).toContain('"code":"stream_interrupted"')
  expect(received).not.toContain('[DONE]')
  const request = await gateway.upstream.arrival(1)
  await request.abandoned
})

test('a stream may take longer in all than an answer that does not stream', async () => {
  await using gateway = await startGateway({
    provider: { timeouts: { totalMs: 200, idleMs: 150 } },
  })
  const words = Array.from({ length: 20 }, (_, index) => String(index))
  gateway.upstream.script(eventStream(chatEvents(words), { intervalMs: 20 }))
  const answer = await gateway.post('chat/completions', { ...chat, stream: true })
  expect(answer.text).toBe(chatEvents(words).join(''))
})

test('our comments into the silence do not keep a silent upstream alive', async () => {
  await using gateway = await startGateway({
    settings: { 'models.keepAliveCommentMs': 100 },
    provider: { timeouts: { idleMs: 2_500 } },
  })
  gateway.upstream.script(stallAfter(chatEvents(['Hello']).slice(0, 2)))
  const received = await readStream(gateway)
  expect(received).toContain(': keep-alive\n\n')
  expect(received).toContain('"code":"stream_interrupted"')
})

/** Everything that a client of a streamed chat receives until the connection is closed. */
async function readStream({ portico, key }: Gateway): Promise<string> {
  using client = await openRawClient(portico.port)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ ...chat, stream: true })
  client.send(formatRequest('POST /v1/chat/completions', headers, body))
  return (await client.closed).toString()
}
