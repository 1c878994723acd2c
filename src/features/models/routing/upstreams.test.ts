import { expect, test } from 'vitest'
import { testProvider } from '../../../../test/support/provider.ts'
import { chat } from '../../../../test/support/upstream-answers.ts'
import { stall } from '../../../../test/support/upstream-faults.ts'
import { startUpstream } from '../../../../test/support/upstream.ts'
import type { Upstream } from '../../../net/outbound.ts'
import { createGuardedLookup } from '../../../net/address-guard.ts'
import { createBuiltinUpstream } from '../builtin/builtin.ts'
import { systemClock } from '../../../lib/clock.ts'
import type { Provider } from '../catalogue/provider.ts'
import { createUpstreams } from './upstreams.ts'

const builtin = createBuiltinUpstream({ clock: systemClock })
const open = () => createUpstreams({ builtin, lookupFor: () => createGuardedLookup() })

function providerAt(port: number, fields: Partial<Omit<Provider, 'models'>> = {}): Provider {
  const origin = `http://127.0.0.1:${port}`
  const baseUrl = { origin, basePath: '', host: '127.0.0.1', port }
  return testProvider('p', { baseUrl, ...fields })
}

/** Sends a request and resolves with its status, or the kind of its failure. */
function send(upstream: Upstream): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>()
  const body = Buffer.from('{"model":"m"}')
  upstream.send(
    { method: 'POST', path: '/', headers: [], body },
    {
      onStart: resolve,
      onChunk: () => true,
      onEnd() {},
      onFailure: ({ kind }) => resolve(kind),
    },
  )
  return promise
}

test('a provider keeps its connections while what they depend on stays the same', async () => {
  await using upstreams = open()
  const provider = providerAt(1)
  const renamed = { ...provider, name: 'other', weight: 7 }
  expect(upstreams.of(renamed)).toBe(upstreams.of(provider))
  expect(upstreams.of({ ...provider, id: 'q' })).not.toBe(upstreams.of(provider))
  expect(upstreams.of({ ...provider, allowPrivate: true })).not.toBe(upstreams.of(provider))
})

test('the built-in provider has no connections', async () => {
  await using upstreams = open()
  expect(upstreams.of(providerAt(1, { kind: 'builtin' }))).toBe(builtin)
})

test('a call that began before a change does not take the connections from those after it', async () => {
  await using upstream = await startUpstream()
  upstream.script(chat())
  await using upstreams = open()
  const before = providerAt(upstream.port)
  const after = { ...before, timeouts: { ...before.timeouts, idleMs: 2_000 } }
  upstreams.of(before)
  upstreams.retain([after])
  expect(await send(upstreams.of(after))).toBe(200)
  expect(await send(upstreams.of(before))).toBe(200)
  expect(await send(upstreams.of(after))).toBe(200)
})

test('what runs on connections that are let go of is finished', async () => {
  await using upstream = await startUpstream()
  await using upstreams = open()
  const provider = providerAt(upstream.port)
  const proceed = Promise.withResolvers<void>()
  upstream.script(async (call) => {
    await proceed.promise
    await chat()(call)
  })
  const running = send(upstreams.of(provider))
  await upstream.arrival(1)
  upstreams.retain([])
  proceed.resolve()
  expect(await running).toBe(200)
})

test('a call that is given up does not keep the connections from closing', async () => {
  await using upstream = await startUpstream()
  upstream.script(stall())
  const upstreams = open()
  const silent = { onStart() {}, onChunk: () => true, onEnd() {}, onFailure() {} }
  const request = { method: 'POST', path: '/', headers: [], body: Buffer.from('{}') }
  const exchange = upstreams.of(providerAt(upstream.port)).send(request, silent)
  await upstream.arrival(1)
  exchange.abort()
  await expect(upstreams[Symbol.asyncDispose]()).resolves.toBeUndefined()
})
