import { expect, test } from 'vitest'
import { startGateway } from '../../../../test/support/portico.ts'
import type { Gateway } from '../../../../test/support/portico.ts'
import { chatStream } from '../../../../test/support/upstream-answers.ts'
import { failing, hangUpAfter } from '../../../../test/support/upstream-faults.ts'

const asked = { model: 'm', messages: [{ role: 'user', content: 'Say hello' }] }
const on = { headers: { 'x-gateway-cache': 'on' } }
const off = { headers: { 'x-gateway-cache': 'off' } }

const ask = (gateway: Gateway, sent: Parameters<Gateway['post']>[2] = {}, body: object = asked) =>
  gateway.post('chat/completions', body, sent)

test('nothing is kept unless the key or the request asks for it', async () => {
  await using gateway = await startGateway()
  const answers = [await ask(gateway), await ask(gateway)]
  expect(answers.map(({ headers }) => headers['x-cache'])).toEqual([undefined, undefined])
  expect(gateway.upstream.requests).toHaveLength(2)
})

test('a request that asks for it gets the same answer again', async () => {
  await using gateway = await startGateway()
  const first = await ask(gateway, on)
  const second = await ask(gateway, on)
  expect([first.headers['x-cache'], second.headers['x-cache']]).toEqual(['MISS', 'HIT'])
  expect(second.text).toBe(first.text)
  expect(second.headers['content-type']).toBe('application/json')
  expect(second.headers['x-gateway-request-id']).not.toBe(first.headers['x-gateway-request-id'])
  expect(gateway.upstream.requests).toHaveLength(1)
})

test('a key that asks for it does so for all its requests but those that say no', async () => {
  await using gateway = await startGateway({ key: { cacheResponses: true } })
  await ask(gateway)
  expect((await ask(gateway)).headers['x-cache']).toBe('HIT')
  expect((await ask(gateway, off)).headers['x-cache']).toBeUndefined()
  expect(gateway.upstream.requests).toHaveLength(2)
})

test('S05 no key gets what another one was answered', async () => {
  await using gateway = await startGateway()
  const { key } = await gateway.portico.createKey()
  await ask(gateway, on)
  const headers = { ...on.headers, authorization: `Bearer ${key}` }
  const other = await gateway.portico.send('POST', '/v1/chat/completions', { headers, body: asked })
  expect(other.headers['x-cache']).toBe('MISS')
})

test('a stream is given again event by event, usage included', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(chatStream(['Hello', ' again']))
  const body = { ...asked, stream: true, stream_options: { include_usage: true } }
  const first = await ask(gateway, on, body)
  const second = await ask(gateway, on, body)
  expect(second.headers['x-cache']).toBe('HIT')
  expect(second.headers['content-type']).toContain('text/event-stream')
  expect(second.text).toBe(first.text)
})

test('what failed or broke off is not kept', async () => {
  await using gateway = await startGateway()
  gateway.upstream.script(failing(400), hangUpAfter(['data: {"choices":[]}\n\n']), chatStream())
  await ask(gateway, on)
  await expect(ask(gateway, on, { ...asked, stream: true })).rejects.toThrow('Invalid EOF state')
  expect((await ask(gateway, on)).headers['x-cache']).toBe('MISS')
  expect((await ask(gateway, on, { ...asked, stream: true })).headers['x-cache']).toBe('MISS')
})

test('an answer that took the place of a failed one is kept as what it is', async () => {
  await using gateway = await startGateway()
  await gateway.portico.addProvider(gateway.upstream, { name: 'second', priority: 1 })
  // The first answer dies behind its head of status 200, the second one is a refusal.
  gateway.upstream.script(
    async ({ receive, res, socket }) => {
      await receive()
      res.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
      setImmediate(() => socket.destroy())
    },
    async ({ receive, res }) => {
      await receive()
      res.writeHead(404, { 'content-type': 'text/plain' }).end('gone')
    },
  )
  expect((await ask(gateway, on)).status).toBe(404)
  const again = await ask(gateway, on)
  expect([again.status, again.headers['x-cache']]).toEqual([404, 'MISS'])
})

test('a budget is not charged for a copy', async () => {
  await using gateway = await startGateway({
    provider: { prices: { '*': { input: 1_000_000, output: 1_000_000 } } },
    key: { budget: { total: 50 } },
  })
  const body = { ...asked, max_tokens: 1 }
  for (let call = 0; call < 6; call += 1) expect((await ask(gateway, on, body)).status).toBe(200)
})
