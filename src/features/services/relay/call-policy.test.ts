import { expect, test } from 'vitest'
import { createTestClock } from '../../../../test/support/clock.ts'
import { plainCaller, plainService } from '../../../../test/support/plain-service.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Admission, CallRecord } from '../caller.ts'
import { createCallPolicy } from './call-policy.ts'

const noMoney = new AppError('insufficient_quota', 'no')

function createPolicy(
  admit: (admission: Admission, price: number) => Admission | Promise<Admission>,
) {
  const clock = createTestClock()
  const records: CallRecord[] = []
  const books: string[] = []
  const policy = createCallPolicy({
    access: {
      admit: (_caller, price) =>
        admit({ settle: () => books.push('settle'), release: () => books.push('release') }, price),
      recordCall: (record) => records.push(record),
    },
    clock,
  })
  return { policy, clock, records, books }
}

function subject(settings: Record<string, unknown> = {}, method = 'tools/call') {
  return {
    service: plainService(settings),
    caller: plainCaller(),
    method,
    asked: 'read',
    used: 'fs_read',
    requestId: 'req-1',
  }
}

const single = subject({ concurrencyMax: 1 })
const ok = { status: 200, abortedBy: null } as const

test('a call beyond those that a service handles at a time is refused until one ends', async () => {
  const { policy } = createPolicy((admission) => admission)
  const first = await policy.admit(single)
  expect(() => policy.admit(single)).toThrow(expect.objectContaining({ code: 'overloaded' }))
  first.end(ok)
  const second = await policy.admit(single)
  second.end({ status: 503, abortedBy: 'upstream' })
  await policy.admit(single)
})

test('a call that the limits of its key refuse takes no place', async () => {
  let count = 0
  const { policy, records } = createPolicy((admission) => {
    count += 1
    if (count === 1) throw noMoney
    return count === 2 ? Promise.reject(noMoney) : admission
  })
  expect(() => policy.admit(single)).toThrow(noMoney)
  await expect(policy.admit(single)).rejects.toBe(noMoney)
  await policy.admit(single)
  expect(records).toEqual([])
})

test('requests a minute are counted by service and key, and told in headers', async () => {
  const { policy } = createPolicy((admission) => admission)
  const limited = subject({ requestsPerMinute: 1 })
  const { headers } = await policy.admit(limited)
  expect(headers.slice(0, 4)).toEqual(['x-ratelimit-limit', '1', 'x-ratelimit-remaining', '0'])
  expect(() => policy.admit(limited)).toThrow(
    expect.objectContaining({ code: 'rate_limit_exceeded' }),
  )
  await policy.admit({ ...limited, caller: plainCaller({ keyId: 'key-2' }) })
  expect((await policy.admit(subject())).headers).toEqual([])
})

test('only the call of a tool costs what the service says', async () => {
  const prices: number[] = []
  const { policy } = createPolicy((admission, price) => {
    prices.push(price)
    return Promise.resolve(admission)
  })
  await policy.admit(subject({ costUsd: 2 }))
  await policy.admit(subject({ costUsd: 2 }, 'resources/read'))
  expect(prices).toEqual([2, 0])
})

test('what the server never saw is not charged, everything else is', async () => {
  const { policy, books, records } = createPolicy((admission) => admission)
  const end = async (status: number) =>
    (await policy.admit(subject({ costUsd: 2 }))).end({ ...ok, status })
  await end(503)
  await end(504)
  await end(200)
  expect(books).toEqual(['release', 'settle', 'settle'])
  expect(records.map(({ costUsd }) => costUsd)).toEqual([0, 2, 2])
})

test('the record of a call says who asked for what, and when the first and last word came', async () => {
  const { policy, clock, records } = createPolicy((admission) => admission)
  const admitted = await policy.admit(subject())
  clock.advance(30)
  admitted.answered()
  clock.advance(10)
  admitted.answered()
  admitted.end({ status: 499, abortedBy: 'client' })
  expect(records).toEqual([
    {
      requestId: 'req-1',
      workspaceId: 'default',
      keyId: 'key-1',
      route: 'mcp/tools/call',
      asked: 'read',
      serviceId: 'svc-1',
      used: 'fs_read',
      costUsd: 0,
      status: 499,
      abortedBy: 'client',
      firstByteMs: 30,
      latencyMs: 40,
    },
  ])
})
