import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { openRawClient } from '../../../../test/support/raw-client.ts'
import type { RawClient } from '../../../../test/support/raw-client.ts'
import { listenOnLoopback } from '../../../../test/support/raw-http.ts'
import { ClientResponse } from './client-response.ts'

const never = () => expect.unreachable('drained')

/** A response on a real connection, and the client at its other end. */
async function openResponse(head = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n') {
  const server = createServer()
  const port = await listenOnLoopback(server)
  const client: RawClient = await openRawClient(port)
  client.send(head)
  const [, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return {
    client,
    res,
    response: new ClientResponse(res),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('the head of a stream goes out at once, that of another answer with its body', async () => {
  await using stream = await openResponse()
  stream.response.begin(200, ['x-a', '1'], { isEventStream: true })
  await stream.client.until('x-a: 1')

  await using whole = await openResponse()
  whole.response.begin(200, ['x-a', '1'], { isEventStream: false })
  expect(whole.response.hasBegun).toBe(false)
  whole.response.answer({ status: 502, headers: ['x-b', '2'] }, 'gone', { isReplaced: true })
  const received = (await whole.client.until('gone')).toString()
  expect(received).toMatch(/^HTTP\/1\.1 502 /)
  expect(received).not.toContain('x-a')
})

test('a comment is put between two events only, also where their boundary comes in pieces', async () => {
  await using stream = await openResponse()
  const { response } = stream
  const silenceIsOver = () => response.keepAlive(performance.now() + 60_000, 1_000)
  response.begin(200, [], { isEventStream: true })
  response.write(Buffer.from('data: 1\r'), never)
  silenceIsOver()
  response.write(Buffer.from('\n'), never)
  silenceIsOver()
  response.write(Buffer.from('\r\n'), never)
  silenceIsOver()
  response.write(Buffer.from('data: 2\n\n'), never)
  response.end()
  const received = (await stream.client.until('data: 2')).toString()
  const body = received.slice(received.indexOf('\r\n\r\n') + 4)
  const chunks = body.split(/^[0-9a-f]+\r\n/m).map((chunk) => chunk.replace(/\r\n$/, ''))
  expect(chunks.join('')).toContain('data: 1\r\n\r\n: keep-alive\n\ndata: 2\n\n')
  expect(body.match(/keep-alive/g)).toHaveLength(1)
})

test('nothing is put into a stream that has just said something', async () => {
  await using stream = await openResponse()
  stream.response.begin(200, [], { isEventStream: true })
  stream.response.keepAlive(performance.now(), 1_000)
  stream.response.write(Buffer.from('data: 1\n\n'), never)
  const received = await stream.client.until('data: 1')
  expect(received.toString()).not.toContain(': keep-alive\n')
})

test.each([
  ['behind an event', 'data: 1\n\n', 'data: 1\n\ndata: error\n\n'],
  ['in the midst of one', 'data: {"a', 'data: {"a\n\ndata: error\n\n'],
])('a stream that is broken off %s ends in an event of its own', async (_where, text, expected) => {
  await using stream = await openResponse()
  stream.response.begin(200, [], { isEventStream: true })
  stream.response.write(Buffer.from(text), never)
  await stream.client.until(text)
  stream.response.breakOff(Buffer.from('data: error\n\n'))
  const received = (await stream.client.closed).toString()
  expect(received.replaceAll(/\r\n[0-9a-f]+\r\n/g, '')).toContain(expected)
  expect(received.endsWith('0\r\n\r\n')).toBe(false)
})

test('a stream that has told of its failure itself is only cut', async () => {
  await using stream = await openResponse()
  stream.response.begin(200, [], { isEventStream: true })
  stream.response.write(Buffer.from('event: error\ndata: {}\n\n'), never)
  stream.response.breakOff(Buffer.alloc(0))
  const received = (await stream.client.closed).toString()
  expect(received).toContain('event: error\ndata: {}\n\n')
  expect(received.endsWith('0\r\n\r\n')).toBe(false)
})

test('a client that does not read is waited for, and told of once', async () => {
  await using stream = await openResponse()
  stream.client.socket.pause()
  const { response } = stream
  const drained = Promise.withResolvers<void>()
  let drains = 0
  const onDrain = () => {
    drains += 1
    drained.resolve()
  }
  response.begin(200, [], { isEventStream: true })
  const piece = Buffer.alloc(1024 * 1024, 'x')
  while (response.write(piece, onDrain)) {
    // As far as the buffers on the way reach.
  }
  for (let more = 0; more < 20; more += 1) expect(response.write(piece, onDrain)).toBe(false)
  expect(response.write(Buffer.alloc(0), onDrain)).toBe(false)
  expect(stream.res.listenerCount('drain')).toBeLessThan(3)
  stream.client.socket.resume()
  await drained.promise
  expect(drains).toBe(1)
})

test('a connection whose request was not read to its end is closed behind the answer', async () => {
  await using early = await openResponse(
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf',
  )
  early.response.answer({ status: 413, headers: [] }, 'no', { isReplaced: true })
  const received = (await early.client.closed).toString()
  expect(received.toLowerCase()).toContain('connection: close')
})
