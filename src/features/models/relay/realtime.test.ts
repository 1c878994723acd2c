import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startGateway } from '../../../../test/support/portico.ts'
import type { Gateway } from '../../../../test/support/portico.ts'
import { startUpstream } from '../../../../test/support/upstream.ts'

function dial(
  { portico, key }: Gateway,
  path: string,
  options: { key?: string; protocols?: string[] } = {},
): WebSocket {
  const headers = { authorization: `Bearer ${options.key ?? key}` }
  const url = portico.url.replace('http', 'ws') + path
  return new WebSocket(url, options.protocols ?? [], { headers })
}

/** The status with which a handshake is refused. */
async function refusalOf(socket: WebSocket): Promise<number> {
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number; resume(): void },
  ]
  response.resume()
  return response.statusCode
}

test('messages pass both ways, to the model that the name stands for', async () => {
  await using gateway = await startGateway({ provider: { models: ['voice@m-realtime'] } })
  const socket = dial(gateway, '/v1/realtime?model=voice&model=secret&intent=talk')
  await once(socket, 'open')
  socket.send('hello')
  const [echo] = (await once(socket, 'message')) as [Buffer]
  expect(echo.toString()).toBe('hello')
  expect(gateway.upstream.upgrades[0]?.url).toBe('/v1/realtime?model=m-realtime&intent=talk')
  socket.close()
  await once(socket, 'close')
})

test('S36 the upstream sees our credential and none of the client’s, offered as a subprotocol or else', async () => {
  await using gateway = await startGateway()
  const protocols = ['realtime', 'openai-insecure-api-key.sk-client', 'openai-beta.realtime-v1']
  const socket = dial(gateway, '/v1/realtime?model=m', { protocols })
  await once(socket, 'open')
  const headers = gateway.upstream.upgrades[0]?.headers
  expect(headers?.['sec-websocket-protocol']).toBe('realtime, openai-beta.realtime-v1')
  expect(headers?.authorization).not.toContain(gateway.key)
  socket.terminate()
})

test('a handshake that offers nothing but a key offers nothing', async () => {
  await using gateway = await startGateway()
  const socket = dial(gateway, '/v1/realtime?model=m', {
    protocols: ['openai-insecure-api-key.sk-client'],
  })
  // That the client insists on an answer to its offer is its own affair.
  await expect(once(socket, 'open')).rejects.toThrow('no subprotocol')
  expect(gateway.upstream.upgrades[0]?.headers['sec-websocket-protocol']).toBeUndefined()
})

test.each([
  ['responses', '/v1/responses', 426],
  ['an unknown model', '/v1/realtime?model=none', 404],
  ['the built-in provider', '/v1/realtime?model=portico%2Fecho', 426],
])('a handshake for %s is refused', async (_what, path, status) => {
  await using gateway = await startGateway()
  expect(await refusalOf(dial(gateway, path))).toBe(status)
  expect(gateway.upstream.upgrades).toHaveLength(0)
})

test.each([
  ['a model that it may not call', '/v1/realtime?model=m', { allowedModels: ['other'] }],
  ['no model, if it may not call all', '/v1/realtime', { allowedModels: ['m'] }],
  [
    'what nobody could charge, if it has a budget',
    '/v1/realtime?model=m',
    { budget: { total: 1 } },
  ],
])('a key gets no connection to %s', async (_what, path, key) => {
  await using gateway = await startGateway({ key })
  expect(await refusalOf(dial(gateway, path))).toBe(403)
  expect(gateway.upstream.upgrades).toHaveLength(0)
})

test('a key that has as many connections as it may gets no more, until one ends', async () => {
  await using gateway = await startGateway({ key: { concurrentRequests: 1 } })
  const first = dial(gateway, '/v1/realtime?model=m')
  await once(first, 'open')
  expect(await refusalOf(dial(gateway, '/v1/realtime?model=m'))).toBe(429)
  first.terminate()
  await expect
    .poll(async () => {
      const next = dial(gateway, '/v1/realtime?model=m')
      const opened = once(next, 'open').then(() => true)
      const isOpen = await Promise.race([opened, refusalOf(next).then(() => false)])
      next.on('error', () => {}).terminate()
      return isOpen
    })
    .toBe(true)
})

test('a provider that cannot be reached cools down, and says when to come again', async () => {
  await using gateway = await startGateway({ settings: { 'models.cooldown.failures': 1 } })
  const gone = await startUpstream()
  await gone[Symbol.asyncDispose]()
  await gateway.portico.addProvider(gone, { name: 'gone', models: ['lost'] })
  expect(await refusalOf(dial(gateway, '/v1/realtime?model=lost'))).toBe(502)
  const socket = dial(gateway, '/v1/realtime?model=lost')
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number; headers: Record<string, string>; resume(): void },
  ]
  response.resume()
  expect(response.statusCode).toBe(503)
  expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1)
})
