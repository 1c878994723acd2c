import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { logCall } from '../../../../test/support/call-log.ts'
import { createTestClock } from '../../../../test/support/clock.ts'
import { createFakeConnection } from '../../../../test/support/fake-connection.ts'
import { plainProfile, plainService } from '../../../../test/support/plain-service.ts'
import { createSecretBox } from '../../../store/secret-box.ts'
import type { Admission } from '../caller.ts'
import { Instance } from '../instances/instance.ts'
import type { ServiceRuntime } from '../instances/service-runtime.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { makeRequest, resultOf } from '../wire/rpc-message.ts'
import { planCall } from './call-plan.ts'
import { createCallPolicy } from './call-policy.ts'
import { createParkedCalls } from './parked-calls.ts'
import type { RelayContext } from './relay-context.ts'
import type { ClientProfile } from './relay.ts'
import { RelayedCall } from './relayed-call.ts'
import { createResultCache } from './result-cache.ts'

const granted: Admission = { settle: () => undefined, release: () => undefined }

/** One service that handles one call at a time, and makes calls of it. */
function open(
  own: Partial<ClientProfile> = {},
  admit: () => Admission | Promise<Admission> = () => granted,
) {
  const clock = createTestClock()
  const secretBox = createSecretBox([new Uint8Array(32).fill(7)])
  const connection = createFakeConnection({ capabilities: { logging: {} } })
  const instance = new Instance(connection, {
    ownership: 'shared',
    canAsk: true,
    stop: async () => undefined,
    onListChanged: () => undefined,
  })
  const books = { leases: 0, statuses: [] as number[] }
  const lease = async () => {
    books.leases += 1
    return { instance, release: () => void (books.leases -= 1) }
  }
  const service = plainService({ concurrencyMax: 1 })
  const profile = plainProfile(own)
  const context: RelayContext = {
    profile,
    user: { keyId: 'key-1' } as RelayContext['user'],
    service: () => service,
    runtime: () => ({ lease }) as unknown as ServiceRuntime,
    policy: createCallPolicy({
      access: { admit, recordCall: ({ status }) => books.statuses.push(status) },
      clock,
    }),
    parked: createParkedCalls({
      secretBox,
      clock,
      config: () => ({ parkedMs: 60_000, parkedPerKeyMax: 2 }),
    }),
    cache: createResultCache(),
    limits: () => ({ silenceMs: 10_000, totalMs: 10_000, answerMs: 10_000 }),
    log: pino({ level: 'silent' }),
    logLevel: () => undefined,
    attach: () => undefined,
  }
  const start = (params: Record<string, unknown> = {}) => {
    const sink = logCall()
    const call = {
      request: makeRequest('1', 'tools/call', { name: 't', ...params }),
      requestId: 'req-1',
    }
    const basis = { service, profile, catalogue: undefined, isQuarantined: () => false }
    const plan = planCall(basis, call.request)
    const relayed = new RelayedCall(context, { call, plan, sink }, () => undefined)
    relayed.start()
    return { relayed, sink }
  }
  return { start, connection, books, instance }
}

test('a call that ends gives back its place and its instance', async () => {
  const { start, connection, books } = open()
  for (let count = 1; count <= 2; count += 1) {
    const { sink } = start()
    await vi.waitFor(() => expect(connection.sent).toHaveLength(count))
    connection.last.answer({ content: [] })
    expect(resultOf(await sink.answer)).toEqual({ content: [] })
  }
  expect(books).toEqual({ leases: 0, statuses: [200, 200] })
})

test('a call that is cancelled at its server gives back its place and its instance', async () => {
  const { start, connection, books } = open()
  const { relayed } = start()
  await vi.waitFor(() => expect(connection.sent).toHaveLength(1))
  relayed.cancel()
  expect(connection.last.isCancelled).toBe(true)
  expect(books).toEqual({ leases: 0, statuses: [499] })
  start()
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
})

test('a call that is cancelled while its key is asked for leave gives back its place', async () => {
  const pending = Promise.withResolvers<Admission>()
  let count = 0
  const { start, connection, books } = open({}, () => {
    count += 1
    return count === 1 ? pending.promise : granted
  })
  start().relayed.cancel()
  pending.resolve(granted)
  await vi.waitFor(() => expect(books.statuses).toEqual([503]))
  const { sink } = start()
  await vi.waitFor(() => expect(connection.sent).toHaveLength(1))
  connection.last.answer({ content: [] })
  await sink.answer
})

test('a modern call that is cancelled no longer has its legacy server log for it', async () => {
  const { start, connection, instance } = open({ era: 'modern' })
  const { relayed } = start({ _meta: { [metaKeys.logLevel]: 'debug' } })
  await vi.waitFor(() => expect(connection.methods).toContain('tools/call'))
  relayed.cancel()
  instance.logLevels.want('error')
  const levels = connection.sent.flatMap(({ params }) => params['level'] ?? [])
  expect(levels).toEqual(['debug', 'error'])
})
