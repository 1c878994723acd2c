import { expect, test } from 'vitest'
import { startGateway } from '../../../../test/support/portico.ts'
import type { Gateway } from '../../../../test/support/portico.ts'
import { chat, chatEvents, chatStream, event } from '../../../../test/support/upstream-answers.ts'
import {
  failing,
  hangUp,
  hangUpAfter,
  inBandError,
  rateLimited,
  raw,
  stall,
} from '../../../../test/support/upstream-faults.ts'
import { startUpstream } from '../../../../test/support/upstream.ts'
import type { Behaviour, Upstream } from '../../../../test/support/upstream.ts'

const asked = { model: 'm', messages: [{ role: 'user', content: 'Say hello' }] }
const streamed = { ...asked, stream: true }
/** What a client makes of a stream that ends without its terminating chunk. */
const brokenOff = 'Invalid EOF state'
const hello = chatEvents(['Hello']).join('')

/** A gateway whose model is served by several upstreams, tried in order. */
async function startTiers(count: number, options: Parameters<typeof startGateway>[0] = {}) {
  await using scope = new AsyncDisposableStack()
  const gateway = scope.use(await startGateway(options))
  const upstreams: Upstream[] = [gateway.upstream]
  for (let tier = 1; tier < count; tier += 1) {
    const upstream = scope.use(await startUpstream())
    await gateway.portico.addProvider(upstream, { name: `tier-${tier}`, priority: tier })
    upstreams.push(upstream)
  }
  const owned = scope.move()
  return {
    ...gateway,
    /** How many requests each of the upstreams has seen. */
    seen: () => upstreams.map(({ requests }) => requests.length),
    script: (...behaviours: Behaviour[]) => {
      for (const [tier, behaviour] of behaviours.entries()) upstreams[tier]?.script(behaviour)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function stateOf(gateway: Pick<Gateway, 'portico'>, name = 'acme'): Promise<unknown> {
  const { providers } = await gateway.portico.api<{
    providers: { name: string; health: { state: string } }[]
  }>('GET', '/api/providers')
  return providers.find((provider) => provider.name === name)?.health.state
}

test.each([
  ['hangs up', hangUp()],
  ['fails', failing(500)],
  ['has too much to do', rateLimited()],
  ['dies behind its head', raw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n')],
  ['does not speak HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n')],
])('another target answers when the first one %s', async (_what, fault) => {
  await using gateway = await startTiers(2)
  gateway.script(fault, chat('from the second'))
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.status).toBe(200)
  expect(answer.text).toContain('from the second')
  expect(gateway.seen()).toEqual([1, 1])
})

test('a stream that begins with an error goes to the next target, and on to the one after that', async () => {
  await using gateway = await startTiers(3)
  gateway.script(chatStreamOf(inBandError()), hangUp(), chatStream(['Hello']))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(hello)
  expect(gateway.seen()).toEqual([1, 1, 1])
})

test('a stream that begins with an error passes as it is when there is nobody else', async () => {
  await using gateway = await startTiers(1)
  gateway.script(chatStreamOf(inBandError(), event('[DONE]')))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(inBandError() + event('[DONE]'))
})

test('a wrong request is nobody else’s, also where a stream says so', async () => {
  await using gateway = await startTiers(2, { settings: { 'models.cooldown.failures': 1 } })
  const refusal = inBandError('context_length_exceeded')
  gateway.script(chatStreamOf(refusal))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(refusal)
  expect(gateway.seen()).toEqual([1, 0])
  expect(await stateOf(gateway)).toBe('ready')
})

test.each([
  ['nothing', ''],
  ['comments alone', ': connected\n\n'],
])('another target answers when a stream consists of %s', async (_what, text) => {
  await using gateway = await startTiers(2)
  gateway.script(chatStreamOf(text), chatStream(['Hello']))
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.text).toBe(hello)
})

test('a stream that is promised and then refused elsewhere ends in an error event', async () => {
  await using gateway = await startTiers(2)
  gateway.script(chatStreamOf(inBandError()), failing(400))
  await expect(gateway.post('chat/completions', streamed)).rejects.toThrow(brokenOff)
  expect(gateway.seen()).toEqual([1, 1])
})

test('nobody else is asked once the client has seen something', async () => {
  await using gateway = await startTiers(2)
  gateway.script(hangUpAfter(chatEvents(['Hello']).slice(0, 2)))
  await expect(gateway.post('chat/completions', streamed)).rejects.toThrow(brokenOff)
  expect(gateway.seen()).toEqual([1, 0])
})

test('a provider whose streams always break off cools down', async () => {
  await using gateway = await startTiers(1)
  gateway.script(hangUpAfter(chatEvents(['Hello']).slice(0, 2)))
  for (let call = 0; call < 3; call += 1) {
    await expect(gateway.post('chat/completions', streamed)).rejects.toThrow(brokenOff)
  }
  expect(await stateOf(gateway)).toBe('cooling')
  const answer = await gateway.post('chat/completions', streamed)
  expect(answer.status).toBe(503)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
})

test('a client that has been refused by several targets is told not to try again', async () => {
  await using gateway = await startTiers(2)
  gateway.script(failing(500), failing(503))
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.status).toBe(503)
  expect(answer.headers['x-should-retry']).toBe('false')
})

test('a call whose whole time is over is not begun anew elsewhere', async () => {
  await using gateway = await startTiers(2, { settings: { 'models.timeouts.totalMs': 200 } })
  gateway.script(stall())
  const answer = await gateway.post('chat/completions', asked)
  expect(answer.status).toBe(504)
  expect(gateway.seen()).toEqual([1, 0])
})

test('every credential is tried before a refusal reaches the client', async () => {
  await using gateway = await startTiers(1, {
    provider: { apiKey: undefined, apiKeys: ['sk-worn-out', 'sk-fresh'] },
  })
  gateway.script(async (call) => {
    const isFresh = call.request.header('authorization') === 'Bearer sk-fresh'
    await (isFresh ? chat('welcome') : failing(402))(call)
  })
  for (let call = 0; call < 2; call += 1) {
    expect((await gateway.post('chat/completions', asked)).text).toContain('welcome')
  }
})

/** A stream of these pieces that ends in good order. */
function chatStreamOf(...pieces: string[]): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) res.write(piece)
    res.end()
  }
}
