import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  createFakeConnection,
  type FakeConnection,
} from '../../../../test/support/fake-connection.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Lease } from '../instances/instance-group.ts'
import { Instance } from '../instances/instance.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { makeNotification, paramsOf, type RpcNotification } from '../wire/rpc-message.ts'
import { Subscriptions } from './subscriptions.ts'

// A server that is away is tried again only after seconds.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function open(admit: () => Promise<void> = async () => undefined) {
  const connections: FakeConnection[] = []
  const instances: Instance[] = []
  const released: Instance[] = []
  const heard: RpcNotification[] = []
  const lease = async (): Promise<Lease> => {
    await admit()
    const connection = createFakeConnection()
    connections.push(connection)
    const instance = new Instance(connection, {
      ownership: 'shared',
      canAsk: false,
      stop: async () => undefined,
      onListChanged: () => undefined,
    })
    instances.push(instance)
    return { instance, release: () => void released.push(instance) }
  }
  const subscriptions = new Subscriptions({
    lease,
    onUpdated: (notification) => heard.push(notification),
  })
  const subscribed = () =>
    connections.map(({ sent }) =>
      sent.map(({ method, params }) => `${method} ${String(params['uri'])}`),
    )
  return { subscriptions, connections, instances, released, heard, subscribed }
}

const settle = () => vi.advanceTimersByTimeAsync(0)
const gone = new AppError('upstream_failed', 'gone')

test('resources are watched at one instance, which is kept as long as there are any', async () => {
  const { subscriptions, released, subscribed } = open()
  await Promise.all([subscriptions.add('a:1'), subscriptions.add('b:1'), subscriptions.add('a:1')])
  expect(subscribed()).toEqual([['resources/subscribe a:1', 'resources/subscribe b:1']])
  subscriptions.remove('a:1')
  expect(released).toEqual([])
  subscriptions.remove('b:1')
  expect(released).toHaveLength(1)
})

test('after the instance is gone, everything is watched at the next one', async () => {
  const { subscriptions, connections, subscribed } = open()
  await subscriptions.add('a:1')
  await subscriptions.add('b:1')
  connections[0]?.end(gone)
  await settle()
  expect(subscribed()[1]).toEqual(['resources/subscribe a:1', 'resources/subscribe b:1'])
})

test('a server that cannot be reached is tried again until it can', async () => {
  let isAway = true
  const { subscriptions, subscribed } = open(async () => {
    if (isAway) throw gone
  })
  await expect(subscriptions.add('a:1')).rejects.toBe(gone)
  await vi.advanceTimersByTimeAsync(5000)
  expect(subscribed()).toEqual([])
  isAway = false
  await vi.advanceTimersByTimeAsync(5000)
  expect(subscribed()).toEqual([['resources/subscribe a:1']])
  subscriptions.close()
})

test('an update is passed on without the stream on which it came', async () => {
  const { subscriptions, instances, heard } = open()
  await subscriptions.add('a:1')
  instances[0]?.resources.deliver(
    'a:1',
    makeNotification('notifications/resources/updated', {
      uri: 'a:1',
      _meta: { [metaKeys.subscriptionId]: 7, own: 1 },
    }),
  )
  expect(heard.map(paramsOf)).toEqual([{ uri: 'a:1', _meta: { own: 1 } }])
})

test('an instance is kept without resources where changes of lists are to be heard', async () => {
  const { subscriptions, connections, released } = open()
  subscriptions.keep()
  await settle()
  await subscriptions.add('a:1')
  subscriptions.remove('a:1')
  expect(released).toEqual([])
  connections[0]?.end(gone)
  await settle()
  expect(connections).toHaveLength(2)
  subscriptions.close()
  expect(released).toHaveLength(2)
})

test('closing ends all watches, and nothing is opened any more', async () => {
  const { subscriptions, connections, released, subscribed } = open()
  await subscriptions.add('a:1')
  subscriptions.close()
  connections[0]?.end(gone)
  await subscriptions.add('b:1')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(subscribed()).toEqual([['resources/subscribe a:1', 'resources/unsubscribe a:1']])
  expect(released).toHaveLength(1)
})

test('an instance that opens after the closing is given back', async () => {
  const { subscriptions, released, subscribed } = open()
  const adding = subscriptions.add('a:1')
  subscriptions.close()
  await adding
  expect(released).toHaveLength(1)
  expect(subscribed()).toEqual([[]])
})

test('an instance that opens after its last resource was removed is given back', async () => {
  const { subscriptions, released, subscribed } = open()
  const adding = subscriptions.add('a:1')
  subscriptions.remove('a:1')
  await adding
  expect(released).toHaveLength(1)
  expect(subscribed()).toEqual([[]])
})
