import { expect, test } from 'vitest'
import { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import { createHeldMessages } from '../wire/held-messages.ts'
import { pipeChannels } from './pipe-channels.ts'

test('messages pass both ways unchanged and in order, those from before included', async () => {
  const [client, near] = createPair()
  const [server, far] = createPair()
  void client.send(Buffer.from('{ "a":1.0 }'))
  const ended = pipeChannels(near, far, { pendingBytesMax: 100 })
  void client.send(Buffer.from('2'))
  void server.send(Buffer.from('3'))
  expect([received(server), received(client)]).toEqual([['{ "a":1.0 }', '2'], ['3']])
  await client[Symbol.asyncDispose]()
  expect(await ended).toBeUndefined()
})

test('closing either side closes the other, with the reason', async () => {
  const reason = new AppError('upstream_failed', 'gone')
  const [client, near] = createPair()
  const [server, far] = createPair()
  const ended = pipeChannels(near, far, { pendingBytesMax: 100 })
  server.fail(reason)
  expect(await ended).toBe(reason)
  expect(await client.closed).toBeUndefined()
})

test('an end that takes nothing does not gather what the other sends without bound', async () => {
  const [client, near] = createPair()
  const [server, far] = createPair({ isStuck: true })
  const ended = pipeChannels(near, far, { pendingBytesMax: 100 })
  for (let sent = 0; sent <= 100; sent += 10) void client.send(Buffer.alloc(10))
  expect(await ended).toMatchObject({ code: 'overloaded' })
  await server.closed
})

type Peer = Channel & { fail(reason: AppError): void }

function createPair({ isStuck = false } = {}): [Peer, Channel] {
  const closed = Promise.withResolvers<AppError | undefined>()
  const [left, right] = [createHeldMessages(), createHeldMessages()]
  const end = (incoming: typeof left, outgoing: typeof left): Peer => ({
    send(bytes) {
      outgoing.push(bytes)
      return isStuck ? new Promise<void>(() => undefined) : undefined
    },
    receive: (onMessage) => incoming.receive(onMessage),
    closed: closed.promise,
    fail: closed.resolve,
    [Symbol.asyncDispose]: async () => closed.resolve(undefined),
  })
  return [end(left, right), end(right, left)]
}

function received(channel: Channel): string[] {
  const texts: string[] = []
  channel.receive((bytes) => texts.push(bytes.toString()))
  return texts
}
