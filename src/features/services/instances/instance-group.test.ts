import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFakeConnection } from '../../../../test/support/fake-connection.ts'
import { systemClock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { InstanceGroup, type GroupRules } from './instance-group.ts'
import { Instance } from './instance.ts'

// The waits are minutes long, and the clock of the group has to go with its timers.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const stopped: Instance[] = []
beforeEach(() => void stopped.splice(0))

function createInstance({ needsTurns = true } = {}): Instance {
  const connection = createFakeConnection({ attributesRequests: !needsTurns })
  const instance = new Instance(connection, {
    ownership: 'shared',
    canAsk: true,
    stop: async () => void stopped.push(instance),
    onListChanged: () => undefined,
  })
  return instance
}

function openGroup(
  rules: Partial<GroupRules> = {},
  open: () => Promise<Instance> = async () => createInstance(),
) {
  const gone: (AppError | undefined)[] = []
  const opened: Instance[] = []
  const group = new InstanceGroup(
    {
      clock: systemClock,
      open: async () => {
        const instance = await open()
        opened.push(instance)
        return instance
      },
      onGone: (error) => gone.push(error),
    },
    { idleStopMs: null, lifetimeMaxMs: null, membersMax: 8, turnWaitMs: 1000, ...rules },
  )
  return { group, gone, opened }
}

/** With what code a lease is refused. */
async function codeOf(lease: Promise<unknown>): Promise<unknown> {
  const error = await lease.catch((reason: unknown) => reason)
  return error instanceof AppError ? error.code : error
}

function die(instance: Instance): void {
  const connection = instance.connection as ReturnType<typeof createFakeConnection>
  connection.end(new AppError('upstream_failed', 'gone'))
}

test('those who ask while an instance opens share the one opening', async () => {
  const { group, opened } = openGroup()
  await using _ = group
  const leases = [group.lease(false), group.lease(false), group.lease(false)]
  expect(group.isOpening).toBe(true)
  const [one, two, three] = await Promise.all(leases)
  expect(opened).toHaveLength(1)
  expect(two?.instance).toBe(one?.instance)
  expect(three?.instance).toBe(one?.instance)
})

test('an opening that fails is told to all who wait for it, and the next one is a new attempt', async () => {
  let attempts = 0
  const { group } = openGroup({}, async () => {
    attempts += 1
    if (attempts === 1) throw new AppError('service_failed', 'no')
    return createInstance()
  })
  await using _ = group
  const both = await Promise.allSettled([group.lease(false), group.lease(false)])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await group.lease(false)
  expect(attempts).toBe(2)
})

test('a second asking call waits for its turn, and gets the same instance when the first is done', async () => {
  const { group, opened } = openGroup()
  await using _ = group
  const first = await group.lease(true)
  const second = group.lease(true)
  await vi.advanceTimersByTimeAsync(999)
  first.release()
  expect((await second).instance).toBe(first.instance)
  expect(opened).toHaveLength(1)
})

test('a call about which nothing is asked does not wait for a turn', async () => {
  const { group } = openGroup()
  await using _ = group
  const asking = await group.lease(true)
  expect((await group.lease(false)).instance).toBe(asking.instance)
})

test('asking calls share an instance whose server says which call it asks about', async () => {
  const { group } = openGroup({}, async () => createInstance({ needsTurns: false }))
  await using _ = group
  const first = await group.lease(true)
  expect((await group.lease(true)).instance).toBe(first.instance)
})

test('a call whose turn does not come in time gets another instance', async () => {
  const { group, opened } = openGroup()
  await using _ = group
  const first = await group.lease(true)
  const second = group.lease(true)
  await vi.advanceTimersByTimeAsync(1000)
  expect((await second).instance).not.toBe(first.instance)
  expect(opened).toHaveLength(2)
})

test('where no further instance may be opened, a call that waits too long is refused as overloaded', async () => {
  const { group, opened } = openGroup({ membersMax: 1 })
  await using _ = group
  await group.lease(true)
  const refused = codeOf(group.lease(true))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await refused).toBe('overloaded')
  expect(opened).toHaveLength(1)
})

test('a call that waits for its turn on an instance that dies gets a new one', async () => {
  const { group, opened } = openGroup({ membersMax: 1 })
  await using _ = group
  const first = await group.lease(true)
  const second = group.lease(true)
  await vi.advanceTimersByTimeAsync(10)
  die(first.instance)
  expect((await second).instance).toBe(opened[1])
})

test('releasing twice ends only the own turn', async () => {
  const { group } = openGroup()
  await using _ = group
  const first = await group.lease(true)
  first.release()
  const second = await group.lease(true)
  first.release()
  const third = group.lease(true)
  await vi.advanceTimersByTimeAsync(1000)
  expect((await third).instance).not.toBe(second.instance)
})

test('an instance ends when nobody has used it for a while, and never while it is leased', async () => {
  const { group, gone } = openGroup({ idleStopMs: 1000 })
  await using _ = group
  const lease = await group.lease(false)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(stopped).toEqual([])
  lease.release()
  await vi.advanceTimersByTimeAsync(999)
  expect(stopped).toEqual([])
  await vi.advanceTimersByTimeAsync(1001)
  expect(stopped).toEqual([lease.instance])
  expect(gone).toEqual([undefined])
  expect(group.isEmpty).toBe(true)
})

test('at the end of its lifetime the successor is there first, and the old one ends with its last lease', async () => {
  const opening = [createInstance(), createInstance()]
  const second = Promise.withResolvers<Instance>()
  let count = 0
  const { group } = openGroup({ lifetimeMaxMs: 1000 }, () => {
    count += 1
    return count === 1 ? Promise.resolve(opening[0] as Instance) : second.promise
  })
  await using _ = group
  const old = await group.lease(false)
  const other = await group.lease(false)
  await vi.advanceTimersByTimeAsync(1000)
  const last = await group.lease(false)
  expect(last.instance).toBe(old.instance)
  second.resolve(opening[1] as Instance)
  await vi.advanceTimersByTimeAsync(1)
  const late = await group.lease(false)
  expect(late.instance).toBe(opening[1])
  old.release()
  other.release()
  await vi.advanceTimersByTimeAsync(1)
  expect(stopped).toEqual([])
  last.release()
  await vi.advanceTimersByTimeAsync(1)
  expect(stopped).toEqual([old.instance])
  expect(group.instances).toEqual([late.instance])
})

test('an old instance without leases ends without a successor', async () => {
  const { group, opened } = openGroup({ lifetimeMaxMs: 1000 })
  await using _ = group
  const lease = await group.lease(false)
  lease.release()
  await vi.advanceTimersByTimeAsync(1000)
  expect(stopped).toEqual([lease.instance])
  expect(opened).toHaveLength(1)
})

test('an old instance stays where a successor cannot be had', async () => {
  let attempts = 0
  const { group } = openGroup({ lifetimeMaxMs: 1000 }, async () => {
    attempts += 1
    if (attempts === 2) throw new AppError('service_failed', 'no')
    return createInstance()
  })
  await using _ = group
  const old = await group.lease(false)
  await vi.advanceTimersByTimeAsync(1000)
  expect((await group.lease(false)).instance).toBe(old.instance)
  await vi.advanceTimersByTimeAsync(1000)
  expect((await group.lease(false)).instance).not.toBe(old.instance)
})

test('disposal ends everything, wakes those who wait and rejects later leases', async () => {
  const { group } = openGroup()
  const first = await group.lease(true)
  const waiting = codeOf(group.lease(true))
  await vi.advanceTimersByTimeAsync(1)
  await group[Symbol.asyncDispose]()
  expect(await waiting).toBe('service_failed')
  expect(stopped).toEqual([first.instance])
  expect(group.isEmpty).toBe(true)
  await expect(group.lease(false)).rejects.toMatchObject({ code: 'service_failed' })
})

test('an instance that opens after the disposal is ended at once', async () => {
  const late = Promise.withResolvers<Instance>()
  const { group } = openGroup({}, () => late.promise)
  const rejected = codeOf(group.lease(false))
  const disposed = group[Symbol.asyncDispose]()
  const instance = createInstance()
  late.resolve(instance)
  await disposed
  expect(await rejected).toBe('service_failed')
  expect(stopped).toEqual([instance])
})

test('an instance that dies is forgotten, its end is reported and the next lease opens anew', async () => {
  const { group, gone, opened } = openGroup()
  await using _ = group
  const first = await group.lease(false)
  die(first.instance)
  await vi.advanceTimersByTimeAsync(1)
  expect(gone).toMatchObject([{ code: 'upstream_failed' }])
  expect(group.instances).toEqual([])
  expect((await group.lease(false)).instance).toBe(opened[1])
  first.release()
})

test('one that is discarded ends whoever uses it', async () => {
  const { group } = openGroup()
  await using _ = group
  const { instance } = await group.lease(false)
  await group.discard(createInstance())
  expect(stopped).toEqual([])
  await group.discard(instance)
  expect(stopped).toEqual([instance])
})
