import { expect, test } from 'vitest'
import { logCall, logListener } from '../../../../test/support/call-log.ts'
import {
  createFakeConnection,
  type FakeConnectionOptions,
} from '../../../../test/support/fake-connection.ts'
import { AppError } from '../../../lib/errors.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { errorOf, makeNotification, makeRequest, type RpcResponse } from '../wire/rpc-message.ts'
import { Instance, type InstanceOptions } from './instance.ts'

function open(options: Partial<InstanceOptions> = {}, fake: FakeConnectionOptions = {}) {
  const connection = createFakeConnection(fake)
  const changed: string[] = []
  const instance = new Instance(connection, {
    ownership: 'shared',
    canAsk: true,
    stop: async () => undefined,
    onListChanged: (method) => changed.push(method),
    ...options,
  })
  return { connection, instance, changed }
}

const question = makeRequest('9', 'elicitation/create', { message: 'Well?' })
const message = makeNotification('notifications/message', { level: 'info', data: 1 })

function ask(instance: Instance): RpcResponse[] {
  const answers: RpcResponse[] = []
  instance.listener.onRequest(question, (answer) => answers.push(answer))
  return answers
}

test('a request without a name on it goes to the only call under way', () => {
  const { instance } = open()
  const call = logCall()
  instance.call(makeRequest('1', 'tools/call'), call)
  expect(ask(instance)).toEqual([])
  instance.listener.onNotification(message)
  expect(call.order).toEqual(['request', 'notification'])
})

test('of several calls on a shared instance none is asked, and the server is told so', () => {
  const { instance } = open()
  const [one, other, attached] = [logCall(), logCall(), logListener()]
  instance.attach(attached)
  instance.call(makeRequest('1', 'tools/call'), one)
  instance.call(makeRequest('1', 'tools/call'), other)
  const [answer] = ask(instance)
  expect(errorOf(answer as RpcResponse)?.code).toBe(rpcCodes.methodNotFound)
  expect([...one.order, ...other.order]).toEqual([])
})

test('on a private instance the latest call is asked, and without calls its owner', async () => {
  const { connection, instance } = open({ ownership: 'private' })
  const [one, latest, owner] = [logCall(), logCall(), logListener()]
  instance.attach(owner)
  instance.call(makeRequest('1', 'tools/call'), one)
  instance.call(makeRequest('2', 'tools/call'), latest)
  ask(instance)
  expect([one.order, latest.order]).toEqual([[], ['request']])
  for (const call of connection.sent) call.answer({})
  ask(instance)
  expect(owner.methods).toEqual(['elicitation/create'])
})

test('the listener of a shared instance is never asked', () => {
  const { instance } = open()
  const listener = logListener()
  instance.attach(listener)
  expect(errorOf(ask(instance)[0] as RpcResponse)?.code).toBe(rpcCodes.methodNotFound)
  expect(listener.methods).toEqual([])
})

test('a notification of no call reaches the only listener of a shared instance, and nobody where there are two', () => {
  const { instance } = open()
  const [one, other] = [logListener(), logListener()]
  instance.attach(one)
  instance.listener.onNotification(message)
  expect(one.methods).toEqual(['notifications/message'])
  const leave = instance.attach(other)
  instance.listener.onNotification(message)
  expect([one.methods, other.methods]).toEqual([['notifications/message'], []])
  leave()
  instance.listener.onNotification(message)
  expect(one.methods).toHaveLength(2)
})

test('a call that is answered, failed or cancelled is not asked any more', () => {
  const { connection, instance } = open()
  const calls = [logCall(), logCall(), logCall()]
  const running = calls.map((call) => instance.call(makeRequest('1', 'tools/call'), call))
  expect(instance.running).toBe(3)
  connection.sent[0]?.answer({})
  connection.sent[1]?.sink.onFailure(new AppError('upstream_failed', 'gone'))
  expect(instance.running).toBe(1)
  running[2]?.cancel()
  expect(instance.running).toBe(0)
  expect(connection.last.isCancelled).toBe(true)
  expect(errorOf(ask(instance)[0] as RpcResponse)?.code).toBe(rpcCodes.methodNotFound)
})

test('a changed list is told to whoever keeps the lists, not to calls or listeners', () => {
  const { instance, changed } = open({ ownership: 'private' })
  const [call, listener] = [logCall(), logListener()]
  instance.attach(listener)
  instance.call(makeRequest('1', 'tools/call'), call)
  instance.listener.onNotification(makeNotification('notifications/tools/list_changed'))
  expect(changed).toEqual(['notifications/tools/list_changed'])
  expect([...call.order, ...listener.methods]).toEqual([])
})

test('an updated resource is told to those who watch it alone', () => {
  const { instance } = open()
  const heard: string[] = []
  instance.resources.watch('a:1', () => heard.push('a'))
  instance.resources.watch('b:1', () => heard.push('b'))
  const updated = (params: Record<string, unknown>) =>
    instance.listener.onNotification(makeNotification('notifications/resources/updated', params))
  updated({ uri: 'b:1' })
  updated({ uri: 'c:1' })
  updated({})
  expect(heard).toEqual(['b'])
})

test('calls take turns only where a legacy server that can ask several does not say about which call', () => {
  expect(open().instance.needsTurns).toBe(true)
  expect(open({ ownership: 'private' }).instance.needsTurns).toBe(false)
  expect(open({ canAsk: false }).instance.needsTurns).toBe(false)
  expect(open({}, { attributesRequests: true }).instance.needsTurns).toBe(false)
  expect(open({}, { era: 'modern' }).instance.needsTurns).toBe(false)
})

test('a modern server is asked to tell of the lists that it says can change', async () => {
  const capabilities = { tools: { listChanged: true }, prompts: {} }
  const { connection, instance, changed } = open({}, { era: 'modern', capabilities })
  expect(connection.last.params).toMatchObject({ notifications: { toolsListChanged: true } })
  expect(connection.last.params['notifications']).not.toHaveProperty('promptsListChanged')
  connection.last.sink.onNotification(makeNotification('notifications/tools/list_changed'))
  connection.last.sink.onNotification(message)
  expect(changed).toEqual(['notifications/tools/list_changed'])
  await instance[Symbol.asyncDispose]()
  expect(connection.last.isCancelled).toBe(true)
})

test('disposal closes the connection first, and stops what is behind it then', async () => {
  const order: string[] = []
  const { connection, instance } = open({
    stop: async () => void order.push(connection.isOver ? 'closed' : 'open'),
  })
  await instance[Symbol.asyncDispose]()
  expect(order).toEqual(['closed'])
  expect(await instance.closed).toBeUndefined()
})
