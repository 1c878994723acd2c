import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Answer } from './support/portico.ts'
import { chat, json } from './support/upstream-answers.ts'
import { stall } from './support/upstream-faults.ts'

const asked = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] }
const statuses = (answers: readonly Answer[]) => answers.map((answer) => answer.status)
const countOf = (status: number, answers: readonly Answer[]) =>
  statuses(answers).filter((one) => one === status).length

test('many calls at once never spend more than the budget', async () => {
  const perCallUsd = 1
  await using gateway = await startGateway({
    provider: { prices: { '*': { input: 0, output: 0, perRequest: perCallUsd } } },
    key: { budget: { total: 5 } },
  })
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => gateway.post('chat/completions', asked)),
  )
  expect(countOf(200, answers)).toBe(5)
  expect(countOf(429, answers)).toBe(35)
  expect(gateway.upstream.requests).toHaveLength(5)
  const refused = answers.find((answer) => answer.status === 429)
  expect(refused?.json()).toMatchObject({
    error: { type: 'insufficient_quota', code: 'insufficient_quota' },
  })
  expect(refused?.headers['x-should-retry']).toBe('false')
})

test('what a failed call had reserved can be spent by the next', async () => {
  await using gateway = await startGateway({
    provider: { prices: { '*': { input: 0, output: 0, perRequest: 1 } } },
    key: { budget: { total: 1 } },
  })
  gateway.upstream.script(json(400, { error: { message: 'No', type: 'x', param: null } }), chat())
  expect((await gateway.post('chat/completions', asked)).status).toBe(400)
  expect((await gateway.post('chat/completions', asked)).status).toBe(200)
  expect((await gateway.post('chat/completions', asked)).status).toBe(429)
})

test('a budget that is spent is not tried again by the client', async () => {
  await using gateway = await startGateway({
    provider: { prices: { '*': { input: 0, output: 0, perRequest: 1 } } },
    key: { budget: { day: 0 } },
  })
  const client = new OpenAI({ apiKey: gateway.key, baseURL: gateway.baseURL, maxRetries: 5 })
  const startedAt = performance.now()
  await expect(client.chat.completions.create(asked)).rejects.toThrow(OpenAI.RateLimitError)
  expect(performance.now() - startedAt).toBeLessThan(400)
  expect(gateway.upstream.requests).toHaveLength(0)
})

test('as many requests a minute pass as the key says, and the rest learn when to come again', async () => {
  await using gateway = await startGateway({ key: { requestsPerMinute: 10 } })
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => gateway.post('chat/completions', asked)),
  )
  expect(countOf(200, answers)).toBe(10)
  const refused = answers.find((answer) => answer.status === 429)
  expect(refused?.json()).toMatchObject({
    error: { type: 'requests', code: 'rate_limit_exceeded' },
  })
  expect(Number(refused?.headers['retry-after-ms'])).toBeGreaterThan(0)
  expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0)
  expect(refused?.headers['x-ratelimit-limit-requests']).toBe('10')
})

test('a key has as many requests under way as it may, whatever the route', async () => {
  await using gateway = await startGateway({ key: { concurrentRequests: 2 } })
  gateway.upstream.script(stall())
  const leaving = new AbortController()
  const running = ['chat/completions', 'embeddings'].map((path) =>
    gateway.post(path, asked, { signal: leaving.signal }).catch(() => undefined),
  )
  await gateway.upstream.arrival(2)
  expect((await gateway.post('responses', asked)).status).toBe(429)
  leaving.abort()
  await Promise.all(running)
})

test('a change of a key counts from the next request on', async () => {
  await using gateway = await startGateway()
  const { portico } = gateway
  const { id, key } = await portico.createKey()
  const call = async () => (await gateway.post('chat/completions', asked, { key })).status
  expect(await call()).toBe(200)
  await portico.api('PATCH', `/api/keys/${id}`, { allowedModels: ['other'] })
  expect(await call()).toBe(403)
  await portico.api('PATCH', `/api/keys/${id}`, { allowedModels: null, enabled: false })
  expect(await call()).toBe(401)
  await portico.api('PATCH', `/api/keys/${id}`, { enabled: true })
  expect(await call()).toBe(200)
  await portico.api('DELETE', `/api/keys/${id}`)
  expect(await call()).toBe(401)
})
