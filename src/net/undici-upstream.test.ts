import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { bytes, event, eventStream } from '../../test/support/upstream-answers.ts'
import {
  badFraming,
  informationalFlood,
  stall,
  stallAfter,
} from '../../test/support/upstream-faults.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { AppError } from '../lib/errors.ts'
import { createGuardedLookup } from './address-guard.ts'
import type { OutboundFailure, OutboundRequest, ResponseSink, Upstream } from './outbound.ts'
import { createUndiciUpstream } from './undici-upstream.ts'
import type { UndiciUpstreamOptions } from './undici-upstream.ts'

const post: OutboundRequest = { method: 'POST', path: '/x', headers: [], body: Buffer.from('{}') }
const lookup = createGuardedLookup({ allow: { host: 'localhost', port: 0 } })

function connectTo(origin: string, options: Partial<UndiciUpstreamOptions> = {}): Upstream {
  const patience = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000 }
  return createUndiciUpstream({ origin, lookup, ...patience, ...options })
}

interface Heard {
  readonly status: number
  readonly body: string
  readonly failure: OutboundFailure | undefined
}

/** Sends a request and resolves with what the sink has heard when the exchange is over. */
function send(upstream: Upstream, request = post): Promise<Heard> {
  const { promise, resolve } = Promise.withResolvers<Heard>()
  const chunks: Buffer[] = []
  let status = 0
  const end = (failure?: OutboundFailure) =>
    resolve({ status, body: Buffer.concat(chunks).toString(), failure })
  upstream.send(request, {
    onStart: (received) => void (status = received),
    onChunk: (chunk) => chunks.push(chunk) > 0,
    onEnd: () => end(),
    onFailure: end,
  })
  return promise
}

/** A sink for exchanges that nothing more must be heard of. */
const deaf: ResponseSink = {
  onStart: () => expect.unreachable('a head'),
  onChunk: () => expect.unreachable('a chunk'),
  onEnd: () => expect.unreachable('an end'),
  onFailure: () => expect.unreachable('a failure'),
}

test('sends the body, in pieces as well, and gives the answer as it came', async () => {
  await using upstream = await startUpstream()
  await using connection = connectTo(upstream.url)
  upstream.script(bytes(Buffer.from('pong'), 'text/plain'))
  const pieces = [Buffer.from('pi'), Buffer.alloc(40_000, 'n'), Buffer.from('g')]
  expect(await send(connection, { ...post, body: pieces })).toEqual({
    status: 200,
    body: 'pong',
    failure: undefined,
  })
  expect(upstream.requests[0]?.body).toEqual(Buffer.concat(pieces))
  expect(upstream.requests[0]?.header('content-length')).toBe('40003')
})

test.each(Object.entries(badFraming))(
  'an answer with %s is a failure',
  async (_what, behaviour) => {
    await using upstream = await startUpstream()
    await using connection = connectTo(upstream.url)
    upstream.script(behaviour)
    expect((await send(connection)).failure?.kind).toBe('broken')
  },
)

test('informational answers are skipped, but not for ever', async () => {
  await using upstream = await startUpstream()
  await using connection = connectTo(upstream.url)
  upstream.script(informationalFlood(20), informationalFlood(5_000))
  expect(await send(connection)).toMatchObject({ status: 200, body: '{}', failure: undefined })
  expect((await send(connection)).failure).toMatchObject({ kind: 'broken', phase: 'headers' })
})

test('waiting for the head and for more of the body have limits of their own', async () => {
  await using upstream = await startUpstream()
  await using early = connectTo(upstream.url, { firstByteMs: 100 })
  await using late = connectTo(upstream.url, { idleMs: 100 })
  upstream.script(stall(), stallAfter([event('1')]))
  expect((await send(early)).failure).toMatchObject({ phase: 'headers', kind: 'timeout' })
  expect(await send(late)).toMatchObject({
    status: 200,
    failure: { phase: 'body', kind: 'timeout' },
  })
})

test('a connection that is not made in time is a failure of that phase', async () => {
  // A name that never resolves stands for a network that swallows everything.
  const silence: LookupFunction = () => {}
  await using connection = connectTo('http://silent.example', { lookup: silence, connectMs: 100 })
  expect((await send(connection)).failure).toMatchObject({ phase: 'connect', kind: 'timeout' })
})

test('a port where nobody listens refuses', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  await using connection = connectTo(`http://127.0.0.1:${port}`)
  expect((await send(connection)).failure).toMatchObject({ phase: 'connect', kind: 'refused' })
})

test('S25 a name that leads to a private address is blocked when the connection is made', async () => {
  await using connection = connectTo('http://rebound.example', {
    lookup: createGuardedLookup({}, (_name, _options, callback) =>
      callback(null, [{ address: '169.254.169.254', family: 4 }]),
    ),
  })
  expect((await send(connection)).failure).toMatchObject({ phase: 'connect', kind: 'blocked' })
})

test('whoever leaves while the connection is being made hears nothing, and nothing is sent', async () => {
  await using upstream = await startUpstream()
  const resolving = Promise.withResolvers<() => void>()
  const held: LookupFunction = (_name, _options, callback) =>
    resolving.resolve(() => callback(null, [{ address: '127.0.0.1', family: 4 }]))
  const connection = connectTo(`http://held.example:${upstream.port}`, { lookup: held })
  connection.send(post, deaf).abort()
  const proceed = await resolving.promise
  proceed()
  // The pool closes when it has come to the end of everything that waited in it.
  await connection[Symbol.asyncDispose]()
  expect(upstream.requests).toHaveLength(0)
})

test('whoever leaves in any later phase takes the connection along', async () => {
  await using upstream = await startUpstream()
  await using connection = connectTo(upstream.url)
  upstream.script(stall())
  const waiting = connection.send(post, deaf)
  const first = await upstream.arrival(1)
  waiting.abort()
  await first.abandoned

  const endless = new Readable({ read() {} })
  endless.push('a beginning')
  const sending = connection.send({ ...post, body: endless }, deaf)
  const second = await upstream.arrival(2)
  sending.abort()
  await second.abandoned
  expect(endless.destroyed).toBe(true)
})

test('a request that cannot be sent fails after `send` has returned, and not within', async () => {
  await using connection = connectTo('http://127.0.0.1:1')
  const failed = Promise.withResolvers<OutboundFailure>()
  let hasReturned = false
  connection.send(
    { ...post, path: '/with a space' },
    {
      ...deaf,
      onFailure(failure) {
        expect(hasReturned).toBe(true)
        failed.resolve(failure)
      },
    },
  )
  hasReturned = true
  expect((await failed.promise).kind).toBe('refused')
})

test('an error of ours in the body that is being sent is not the upstream’s', async () => {
  await using upstream = await startUpstream()
  await using connection = connectTo(upstream.url)
  const error = new AppError('request_too_large', 'Too large.')
  const body = Readable.from(
    (async function* () {
      yield Buffer.from('beginning')
      throw error
    })(),
  )
  const { failure } = await send(connection, { ...post, body })
  expect(failure).toMatchObject({ kind: 'request', cause: error })
})

test('reading stops while the sink is full, and nothing is lost', async () => {
  await using upstream = await startUpstream()
  await using connection = connectTo(upstream.url)
  const pieces = Array.from({ length: 200 }, (_, at) => event(`${at} ${'x'.repeat(1_000)}`))
  upstream.script(eventStream(pieces))
  const ended = Promise.withResolvers<void>()
  const received: Buffer[] = []
  const exchange = connection.send(post, {
    ...deaf,
    onStart() {},
    onChunk(chunk) {
      received.push(chunk)
      setImmediate(() => exchange.resume())
      return false
    },
    onEnd: () => ended.resolve(),
  })
  await ended.promise
  expect(Buffer.concat(received).toString()).toBe(pieces.join(''))
})
