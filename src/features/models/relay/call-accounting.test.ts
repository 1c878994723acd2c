import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { startGateway } from '../../../../test/support/portico.ts'
import type { Gateway } from '../../../../test/support/portico.ts'
import {
  bytes,
  chat,
  chatEvents,
  chatStream,
  event,
  json,
  usage,
} from '../../../../test/support/upstream-answers.ts'
import {
  gzipped,
  hangUpAfter,
  refuseStreamOptions,
  stallAfter,
} from '../../../../test/support/upstream-faults.ts'

const asked = { model: 'm', messages: [{ role: 'user', content: 'Say hello' }] }
const streamed = { ...asked, stream: true }

/** What a client makes of a stream that ends without its terminating chunk. */
const brokenOff = 'Invalid EOF state'

/** A million dollars a million tokens: one dollar a token. */
const dollarTokens = { prices: { '*': { input: 1_000_000, output: 1_000_000 } } }

interface Row {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly costUsd: number | null
  readonly usageSource: string
  readonly abortedBy: string | null
  readonly status: number
}

/** The row of the only call. */
function row({ portico }: Gateway): Promise<Row> {
  return vi.waitUntil(
    async () => {
      const path = '/api/usage/requests'
      const { requests } = await portico.api<{ requests: Row[] }>('GET', path)
      return requests[0]
    },
    { timeout: 5_000 },
  ) as Promise<Row>
}

const withBudget = (dollars: number) => ({
  provider: dollarTokens,
  key: { budget: { total: dollars } },
})

test('a compressed answer is charged by the usage in it, and passes as it came', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  gateway.upstream.script(gzipped(JSON.stringify({ choices: [], usage })))
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.headers['content-encoding']).toBe('gzip')
  expect(answer.bytes.subarray(0, 2)).toEqual(gzipSync('').subarray(0, 2))
  expect(await row(gateway)).toMatchObject({ usageSource: 'reported', costUsd: 13 })
})

test('an answer without a report is charged by its length', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  gateway.upstream.script(json(200, { choices: [{ message: { content: 'x'.repeat(400) } }] }))
  await gateway.post('chat/completions', asked)
  const charged = await row(gateway)
  expect(charged.usageSource).toBe('estimated')
  expect(charged.outputTokens).toBeGreaterThan(99)
  expect(charged.costUsd).toBe((charged.inputTokens ?? 0) + (charged.outputTokens ?? 0))
})

test('a stream that comes in one piece is charged by its length, too', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  const events = chatEvents(Array.from({ length: 100 }, () => ' word')).join('')
  gateway.upstream.script(bytes(Buffer.from(events), 'text/event-stream'))
  await gateway.post('chat/completions', streamed)
  expect((await row(gateway)).outputTokens).toBeGreaterThan(50)
})

test('speech has no tokens to tell, and costs the price of the request', async () => {
  const prices = { '*': { input: 1, output: 1, perRequest: 2 } }
  await using gateway = await startGateway({ provider: { prices }, key: { budget: { total: 9 } } })
  await gateway.post('audio/speech', { model: 'm', input: 'Hello', voice: 'alloy' })
  expect(await row(gateway)).toMatchObject({ usageSource: 'absent', costUsd: 2 })
})

test('a stream that breaks off is charged for what came, whatever its beginning reported', async () => {
  await using gateway = await startGateway({
    provider: { ...dollarTokens, kind: 'anthropic' },
    key: { budget: { total: 5_000 } },
  })
  const started = {
    type: 'message_start',
    message: { usage: { input_tokens: 9, output_tokens: 1 } },
  }
  const delta = { type: 'content_block_delta', delta: { type: 'text_delta', text: 'word' } }
  const deltas = Array.from({ length: 20 }, () => event(delta, delta.type))
  const options = { intervalMs: 2 }
  gateway.upstream.script(hangUpAfter([event(started, started.type), ...deltas], options))
  await expect(gateway.post('messages', { ...streamed, max_tokens: 99 })).rejects.toThrow(brokenOff)
  const charged = await row(gateway)
  expect(charged).toMatchObject({ inputTokens: 9, usageSource: 'estimated', abortedBy: 'upstream' })
  expect(charged.outputTokens).toBeGreaterThan(5)
})

test('a client that leaves while it waits pays for its input', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  gateway.upstream.script(stallAfter([]))
  const leaving = new AbortController()
  const call = gateway.post('chat/completions', streamed, { signal: leaving.signal })
  await gateway.upstream.arrival(1)
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  const charged = await row(gateway)
  expect(charged).toMatchObject({ abortedBy: 'client', outputTokens: 0, usageSource: 'estimated' })
  expect(charged.inputTokens).toBeGreaterThan(0)
})

test('usage is asked for where a budget needs it, and its event is kept from the client', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  gateway.upstream.script(chatStream(['Hello']))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(chatEvents(['Hello']).join(''))
  expect(await row(gateway)).toMatchObject({ usageSource: 'reported', costUsd: 13 })
})

test('a provider that does not know stream_options is asked again without', async () => {
  await using gateway = await startGateway(withBudget(5_000))
  gateway.upstream.script(refuseStreamOptions(chatStream(['Hello'])))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(chatEvents(['Hello']).join(''))
  expect(gateway.upstream.requests).toHaveLength(2)
  expect(await row(gateway)).toMatchObject({ usageSource: 'estimated' })
})

test('S69 a hundred calls at the edge of a budget overspend by one call at most', async () => {
  await using gateway = await startGateway(withBudget(100))
  gateway.upstream.script(chat())
  // Reserves about 20 dollars a call, and spends 13.
  const body = { ...asked, max_tokens: 1 }
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => gateway.post('chat/completions', body)),
  )
  const refused = answers.filter(({ status }) => status === 429)
  expect(answers.length - refused.length).toBeLessThanOrEqual(100 / 13 + 1)
  expect(answers.length - refused.length).toBeGreaterThan(0)
  expect(refused[0]?.json()).toMatchObject({ error: { code: 'insufficient_quota' } })
})
