import { expect, test } from 'vitest'
import {
  createFakeConnection,
  type FakeConnection,
} from '../../../../test/support/fake-connection.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { makeNotification } from '../wire/rpc-message.ts'
import { createResourceWatch } from './resource-watch.ts'

const updated = (uri: string) => makeNotification('notifications/resources/updated', { uri })
const asked = ({ sent }: FakeConnection) =>
  sent.map(({ method, params }) => [method, params['uri']])
const listened = ({ sent }: FakeConnection) =>
  sent.map(
    ({ params }) => (params['notifications'] as Record<string, unknown>)['resourceSubscriptions'],
  )

test('a legacy server is subscribed to a resource once, while anybody watches it', () => {
  const connection = createFakeConnection()
  const watch = createResourceWatch(connection)
  const leaveOne = watch.watch('a:1', () => undefined)
  const leaveOther = watch.watch('a:1', () => undefined)
  expect(watch.size).toBe(1)
  leaveOne()
  leaveOne()
  expect(asked(connection)).toEqual([['resources/subscribe', 'a:1']])
  leaveOther()
  expect(asked(connection)).toEqual([
    ['resources/subscribe', 'a:1'],
    ['resources/unsubscribe', 'a:1'],
  ])
  expect(watch.size).toBe(0)
})

test('every watcher of a resource hears of its change, and none of another', () => {
  const watch = createResourceWatch(createFakeConnection())
  const heard: string[] = []
  watch.watch('a:1', () => heard.push('one'))
  const leave = watch.watch('a:1', () => heard.push('other'))
  watch.watch('b:1', () => heard.push('b'))
  watch.deliver('a:1', updated('a:1'))
  leave()
  watch.deliver('a:1', updated('a:1'))
  watch.deliver('c:1', updated('c:1'))
  expect(heard).toEqual(['one', 'other', 'one'])
})

test('a modern server has one stream for all resources, and the new one is there before the old one goes', () => {
  const cancelledThen: boolean[] = []
  const connection = createFakeConnection({
    era: 'modern',
    onRequest: () => cancelledThen.push(connection.sent.at(-2)?.isCancelled === true),
  })
  const watch = createResourceWatch(connection)
  watch.watch('a:1', () => undefined)
  const leave = watch.watch('b:1', () => undefined)
  watch.watch('b:1', () => undefined)()
  leave()
  expect(listened(connection)).toEqual([['a:1'], ['a:1', 'b:1'], ['a:1']])
  expect(cancelledThen).toEqual([false, false, false])
  expect(connection.sent.map(({ isCancelled }) => isCancelled)).toEqual([true, true, false])
  expect(connection.last.params['_meta']).toHaveProperty([metaKeys.protocolVersion], '2026-07-28')
})

test('updates come by the stream of a modern server, and with nothing left to watch it ends', () => {
  const connection = createFakeConnection({ era: 'modern' })
  const watch = createResourceWatch(connection)
  const heard: string[] = []
  const leave = watch.watch('a:1', () => heard.push('a'))
  const { sink } = connection.last
  sink.onNotification(updated('a:1'))
  sink.onNotification(updated('b:1'))
  sink.onNotification(makeNotification('notifications/message', { uri: 'a:1' }))
  expect(heard).toEqual(['a'])
  leave()
  expect(connection.sent).toHaveLength(1)
  expect(connection.last.isCancelled).toBe(true)
})

test('closing ends the stream of a modern server and says nothing to a legacy one', () => {
  const modern = createFakeConnection({ era: 'modern' })
  const legacy = createFakeConnection()
  for (const connection of [modern, legacy]) {
    const watch = createResourceWatch(connection)
    const leave = watch.watch('a:1', () => undefined)
    watch.close()
    leave()
    expect(watch.size).toBe(0)
    expect(connection.sent).toHaveLength(1)
  }
  expect(modern.last.isCancelled).toBe(true)
})
