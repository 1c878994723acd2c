import fc from 'fast-check'
import { expect, test } from 'vitest'
import { logCall, logListener, requestFrom } from '../../../../test/support/call-log.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import { makeNotification, makeResult, parseMessage, type RpcMessage } from '../wire/rpc-message.ts'
import { createChannelConnection, openChannelConnection } from './channel-connection.ts'
import type { ChannelConnectionOptions } from './channel-connection.ts'

/** The far end of a channel, in the hands of a test. */
interface FarEnd extends Channel {
  readonly sent: string[]
  deliver(text: string): void
  close(reason?: AppError): void
  /** Makes the next `send` return a promise, and returns what resolves it. */
  block(): () => void
}

function createFarEnd(): FarEnd {
  const sent: string[] = []
  const closed = Promise.withResolvers<AppError | undefined>()
  let take = (_bytes: Buffer): void => {}
  let room: Promise<void> | undefined
  return {
    sent,
    send(bytes) {
      sent.push(bytes.toString())
      const wait = room
      room = undefined
      return wait
    },
    receive: (onMessage) => void (take = onMessage),
    closed: closed.promise,
    deliver: (text) => take(Buffer.from(text)),
    close: (reason) => closed.resolve(reason),
    block() {
      const { promise, resolve } = Promise.withResolvers<void>()
      room = promise
      return resolve
    },
    [Symbol.asyncDispose]: async () => closed.resolve(undefined),
  }
}

function open(options: Partial<ChannelConnectionOptions> = {}) {
  const far = createFarEnd()
  const noise: string[] = []
  const connection = createChannelConnection(far, {
    era: 'legacy',
    onNoise: (text) => noise.push(text),
    ...options,
  })
  return { far, noise, connection, [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() }
}

/** A call of a tool with an id and a progress token, as JSON text. */
function callText(id: string, token: string): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"x","_meta":{"progressToken":${token}}}}`
}

function sentId(far: FarEnd, at: number): number {
  return (JSON.parse(far.sent[at] as string) as { id: number }).id
}

test('two clients with the same id and token each hear of their own call', async () => {
  await using opened = open()
  const { far, connection } = opened
  const [one, other] = [logCall(), logCall()]
  connection.request(requestFrom(callText('1', '"t"')), one)
  connection.request(requestFrom(callText('1', '"t"')), other)
  const [first, second] = [sentId(far, 0), sentId(far, 1)]
  expect(first).not.toBe(second)
  const progress = (token: number) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${token}}}`
  far.deliver(progress(second))
  far.deliver(progress(first))
  far.deliver(`{"jsonrpc":"2.0","id":${second},"result":{"of":"other"}}`)
  far.deliver(`{"jsonrpc":"2.0","id":${first},"result":{"of":"one"}}`)
  expect((await one.answer).bytes.toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{"of":"one"}}')
  expect((await other.answer).bytes.toString()).toContain('"of":"other"')
  expect(one.order).toEqual(['notification', 'response'])
  expect(one.notifications[0]?.bytes.toString()).toBe(
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":${first}}}`,
  )
})

test('ids and tokens come back as they were written, whatever they are', () => {
  const idText = fc.oneof(
    fc.integer().map(String),
    fc.string().map((text) => JSON.stringify(text)),
    fc.constantFrom('1.50', '12345678901234567890', String.raw`"\u0041"`),
  )
  fc.assert(
    fc.property(idText, idText, (id, token) => {
      const { far, connection } = open()
      const log = logCall()
      connection.request(requestFrom(callText(id, token)), log)
      far.deliver(
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}',
      )
      far.deliver('{"jsonrpc":"2.0","id":1,"result":{}}')
      expect(far.sent[0]).toBe(callText('1', '1'))
      expect(log.notifications[0]?.bytes.toString()).toContain(`{"progressToken":${token}}`)
      expect(log.order).toEqual(['notification', 'response'])
      expect(connection.running).toBe(0)
    }),
  )
})

test('fields that nobody knows and long numbers survive in both directions', async () => {
  await using opened = open()
  const { far, connection } = opened
  const log = logCall()
  const params = '{"n":12345678901234567890,"x":1.0,  "_meta":{"traceparent":"00-a"}}'
  connection.request(
    requestFrom(`{"x":1,"jsonrpc":"2.0","id":"a","method":"m","params":${params}}`),
    log,
  )
  expect(far.sent).toEqual([`{"x":1,"jsonrpc":"2.0","id":1,"method":"m","params":${params}}`])
  far.deliver(`{"id":1,"extra":[1.0],"jsonrpc":"2.0","result":${params}}`)
  expect((await log.answer).bytes.toString()).toBe(
    `{"id":"a","extra":[1.0],"jsonrpc":"2.0","result":${params}}`,
  )
})

test('a cancelled call is named to the server, and what comes late is dropped', async () => {
  const listener = logListener()
  await using opened = open({ listener })
  const { far, connection } = opened
  const log = logCall()
  const running = connection.request(requestFrom(callText('"a"', '7')), log)
  running.cancel('no need')
  running.cancel()
  expect(far.sent.slice(1).map((text) => JSON.parse(text) as unknown)).toEqual([
    {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1, reason: 'no need' },
    },
  ])
  far.deliver('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}')
  far.deliver('{"jsonrpc":"2.0","id":1,"result":{}}')
  expect(log.order).toEqual([])
  expect(listener.methods).toEqual([])
})

test('the handshake is never cancelled', async () => {
  await using opened = open()
  const running = opened.connection.request(
    requestFrom('{"jsonrpc":"2.0","id":1,"method":"initialize"}'),
    logCall(),
  )
  running.cancel()
  expect(opened.far.sent).toHaveLength(1)
})

test('a request of the server reaches the listener, and the answer goes back under its id', async () => {
  await using opened = open()
  const { far, connection } = opened
  const listener = logListener()
  const leave = connection.listen(listener)
  far.deliver('{"jsonrpc":"2.0","id":"s-1","method":"roots/list"}')
  const { request, respond } = await listener.asked
  expect(request.method).toBe('roots/list')
  respond(makeResult('99', { roots: [] }))
  respond(makeResult('99', { roots: ['again'] }))
  expect(far.sent).toEqual(['{"jsonrpc":"2.0","id":"s-1","result":{"roots":[]}}'])
  far.deliver('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s-1"}}')
  far.deliver('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
  leave()
  far.deliver('{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}')
  expect(listener.methods).toEqual([
    'roots/list',
    'notifications/cancelled',
    'notifications/tools/list_changed',
  ])
})

test('a ping is answered here, and a request that nobody hears with an error', async () => {
  await using legacy = open()
  legacy.far.deliver('{"jsonrpc":"2.0","id":5,"method":"ping"}')
  legacy.far.deliver('{"jsonrpc":"2.0","id":6,"method":"roots/list"}')
  expect(legacy.far.sent[0]).toBe('{"jsonrpc":"2.0","id":5,"result":{}}')
  expect(legacy.far.sent[1]).toContain('"id":6,"error":{"code":-32601')
  await using modern = open({ era: 'modern', listener: logListener() })
  modern.far.deliver('{"jsonrpc":"2.0","id":7,"method":"ping"}')
  expect(modern.far.sent[0]).toContain('"id":7,"error":{"code":-32601')
})

test('what comes on a subscription carries the id of the client’s own request', async () => {
  await using opened = open({ era: 'modern' })
  const { far, connection } = opened
  const key = 'io.modelcontextprotocol/subscriptionId'
  const log = logCall()
  connection.request(
    requestFrom('{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen"}'),
    log,
  )
  far.deliver(
    `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"${key}":1}}}`,
  )
  far.deliver(
    `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${key}":1}}}`,
  )
  far.deliver(`{"jsonrpc":"2.0","id":1,"result":{"_meta":{"${key}":1}}}`)
  const answer = (await log.answer).bytes.toString()
  expect(answer).toBe(`{"jsonrpc":"2.0","id":"sub","result":{"_meta":{"${key}":"sub"}}}`)
  expect(log.notifications.map(({ method }) => method)).toEqual([
    'notifications/subscriptions/acknowledged',
    'notifications/tools/list_changed',
  ])
  expect(log.notifications[0]?.bytes.toString()).toContain(`"${key}":"sub"`)
})

test('while the server does not read, messages wait in order, and too many are refused', async () => {
  await using opened = open()
  const { far, connection } = opened
  const unblock = far.block()
  connection.notify(makeNotification('first'))
  const large = JSON.stringify('x'.repeat(1024 * 1024))
  const waiting = logCall()
  for (let count = 0; count < 64; count += 1) {
    const text = `{"jsonrpc":"2.0","id":${count},"method":"m","params":{"x":${large}}}`
    connection.request(requestFrom(text), waiting)
  }
  const refused = logCall()
  connection.request(requestFrom('{"jsonrpc":"2.0","id":"r","method":"m"}'), refused)
  await expect(refused.answer).rejects.toMatchObject({ code: 'overloaded' })
  expect(far.sent).toHaveLength(1)
  unblock()
  await expect.poll(() => far.sent.length).toBe(65)
  expect(far.sent.slice(1).map((_, at) => sentId(far, at + 1))).toEqual(
    Array.from({ length: 64 }, (_, at) => at + 1),
  )
})

test('when the connection ends, every call fails before that is told', async () => {
  await using opened = open()
  const { far, connection } = opened
  const [one, other] = [logCall(), logCall()]
  connection.request(requestFrom(callText('1', '1')), one)
  connection.request(requestFrom(callText('2', '2')), other)
  const reason = new AppError('service_failed', 'The program ended.')
  far.close(reason)
  expect(await connection.closed).toBe(reason)
  expect([one.order, other.order]).toEqual([['failure'], ['failure']])
  await expect(one.answer).rejects.toBe(reason)
  const late = logCall()
  connection.request(requestFrom(callText('3', '3')), late)
  await expect(late.answer).rejects.toBe(reason)
  expect(connection.running).toBe(0)
})

test('whoever disposes of a connection hears of no reason, its calls of their failure', async () => {
  const { connection } = open()
  const log = logCall()
  connection.request(requestFrom(callText('1', '1')), log)
  await connection[Symbol.asyncDispose]()
  expect(await connection.closed).toBeUndefined()
  await expect(log.answer).rejects.toMatchObject({ code: 'upstream_failed' })
})

test('what is no message is noise, and does no harm; a batch is several messages', async () => {
  const listener = logListener()
  await using opened = open({ listener })
  const { far, noise, connection } = opened
  const log = logCall()
  connection.request(requestFrom(callText('1', '1')), log)
  far.deliver('Server listening…')
  far.deliver('{"log":true}')
  far.deliver(
    '[{"jsonrpc":"2.0","method":"a","params":{"t":"]}{\\""}}, {"no":1} ,{"jsonrpc":"2.0","id":1,"result":{}}]',
  )
  await log.answer
  expect(noise).toEqual(['Server listening…', '{"log":true}', '{"no":1}'])
  expect(listener.methods).toEqual(['a'])
})

test('bytes that are no UTF-8 are replaced, because others share the stream', async () => {
  await using opened = open()
  const text = '{"jsonrpc":"2.0","method":"m","params":{"x":"?"}}'
  const bytes = Buffer.from(text)
  bytes[bytes.indexOf('?')] = 0xff
  opened.connection.notify(parseMessage(bytes) as RpcMessage & { kind: 'notification' })
  expect(opened.far.sent[0]).toBe(text.replace('?', '\uFFFD'))
})

test('a handshake that is refused, or takes too long, closes the channel', async () => {
  const client = { capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  const give = { era: 'legacy', client, onNoise() {} } as const
  const refusing = createFarEnd()
  const refused = openChannelConnection(refusing, {
    ...give,
    signal: AbortSignal.timeout(5_000),
  })
  refusing.deliver('{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"http://secret/"}}')
  await expect(refused).rejects.toMatchObject({
    code: 'upstream_failed',
    message: 'The server refused initialize, code -32603.',
  })
  const silent = createFarEnd()
  const waiting = openChannelConnection(silent, { ...give, signal: AbortSignal.timeout(20) })
  await expect(waiting).rejects.toMatchObject({ code: 'upstream_timeout' })
  expect(await silent.closed).toBeUndefined()
})
