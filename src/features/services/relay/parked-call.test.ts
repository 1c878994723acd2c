import { expect, test, vi } from 'vitest'
import { logCall } from '../../../../test/support/call-log.ts'
import { createFakeConnection } from '../../../../test/support/fake-connection.ts'
import { AppError } from '../../../lib/errors.ts'
import type { JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import {
  errorOf,
  makeNotification,
  makeRequest,
  paramsOf,
  resultOf,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { ParkedCall, type Round } from './parked-call.ts'

/** One request of the client, and what it hears. */
function round(
  id: string,
  params: JsonObject = {},
  capabilities: JsonObject = { elicitation: {} },
) {
  const log = logCall()
  const request = makeRequest(id, 'tools/call', { name: 't', ...params })
  return { request, sink: log, capabilities, log } satisfies Round & { log: unknown }
}

/** A call under way at a server that is the fake connection. */
function begin(first = round('1'), park: () => string = () => 'state') {
  const connection = createFakeConnection()
  const over: string[] = []
  const call = new ParkedCall(first, park, () => over.push('over'))
  call.begin(connection.request(makeRequest('1', 'tools/call'), call))
  const answers: RpcResponse[] = []
  const ask = (message: string, more: JsonObject = {}) =>
    call.onRequest(
      makeRequest(`"${message}"`, 'elicitation/create', { message, ...more }),
      (answer) => answers.push(answer),
    )
  return { call, connection, over, answers, ask, first }
}

test('questions that come together end the round together, and the answers go to the server', async () => {
  const { call, connection, answers, ask, first } = begin()
  ask('one', { elicitationId: 'e' })
  ask('two')
  expect(resultOf(await first.log.answer)).toEqual({
    resultType: 'input_required',
    inputRequests: {
      input_1: { method: 'elicitation/create', params: { message: 'one' } },
      input_2: { method: 'elicitation/create', params: { message: 'two' } },
    },
    requestState: 'state',
  })
  const second = round('2', { inputResponses: { input_1: { n: 1 }, input_2: { n: 2 } } })
  call.resume(second)
  expect(answers.map(({ id }) => id)).toEqual(['"one"', '"two"'])
  expect(answers.map(resultOf)).toEqual([{ n: 1 }, { n: 2 }])
  connection.last.answer({ content: [] })
  const answer = await second.log.answer
  expect(answer.id).toBe('2')
  expect(resultOf(answer)).toEqual({ content: [], resultType: 'complete' })
})

test('answers that are missing are asked for again', async () => {
  const { call, answers, ask, first } = begin()
  ask('one')
  ask('two')
  await first.log.answer
  const second = round('2', { inputResponses: { input_2: { n: 2 }, input_1: 'no object' } })
  call.resume(second)
  const { inputRequests } = resultOf(await second.log.answer)
  expect(Object.keys(inputRequests as JsonObject)).toEqual(['input_1'])
  expect(answers.map(resultOf)).toEqual([{ n: 2 }])
})

test('what the server asks while nobody is there is asked when the client is back', async () => {
  const { call, ask, first } = begin()
  ask('one')
  await first.log.answer
  ask('two')
  const second = round('2', { inputResponses: { input_1: {} } })
  call.resume(second)
  const { inputRequests } = resultOf(await second.log.answer)
  expect(Object.keys(inputRequests as JsonObject)).toEqual(['input_2'])
})

test('an answer that the client brought before it was asked is used at once', async () => {
  const { answers, ask, first } = begin(round('1', { inputResponses: { mine: { n: 7 } } }))
  ask('one', { _meta: { 'portico/inputKey': 'mine' } })
  expect(answers.map(resultOf)).toEqual([{ n: 7 }])
  expect(first.log.order).toEqual([])
})

test('an outcome that arrives while the call is parked is delivered on return', async () => {
  const { call, connection, over, ask, first } = begin()
  ask('one')
  await first.log.answer
  connection.last.answer({ content: [1] })
  expect(over).toEqual(['over'])
  const second = round('2')
  call.resume(second)
  expect(resultOf(await second.log.answer)).toEqual({ content: [1], resultType: 'complete' })
  expect(second.log.order).toEqual(['response'])
})

test('a failure that arrives while the call is parked is delivered on return', async () => {
  const { call, connection, ask, first } = begin()
  ask('one')
  await first.log.answer
  connection.last.sink.onFailure(new AppError('upstream_failed', 'gone'))
  const second = round('2')
  call.resume(second)
  await expect(second.log.answer).rejects.toThrow('gone')
})

test('a question that the client did not say it can answer ends the call', async () => {
  const { connection, over, ask, first } = begin(round('1', {}, { roots: {} }))
  ask('one')
  expect(errorOf(await first.log.answer)).toMatchObject({
    code: rpcCodes.missingCapability,
    data: { requiredCapabilities: { elicitation: {} } },
  })
  expect(connection.last.isCancelled).toBe(true)
  expect(over).toEqual(['over'])
})

test('what no client can be asked is refused to the server, and the call goes on', () => {
  const { call, connection, first } = begin()
  const answers: RpcResponse[] = []
  call.onRequest(makeRequest('5', 'odd/method'), (answer) => answers.push(answer))
  expect(answers.map((answer) => errorOf(answer)?.code)).toEqual([rpcCodes.methodNotFound])
  expect(connection.last.isCancelled).toBe(false)
  expect(first.log.order).toEqual([])
})

test('a call that cannot be kept fails, and its server is told', async () => {
  const full = new AppError('rate_limit_exceeded', 'full')
  const { connection, over, ask, first } = begin(round('1'), () => {
    throw full
  })
  ask('one')
  await expect(first.log.answer).rejects.toBe(full)
  expect(connection.last.isCancelled).toBe(true)
  expect(over).toEqual(['over'])
})

test('progress carries the token of the round at hand, and is lost where there is none', async () => {
  const { call, ask, first } = begin(round('1', { _meta: { progressToken: 'p1' } }))
  const progress = makeNotification('notifications/progress', { progressToken: 9, progress: 1 })
  const message = makeNotification('notifications/message', { data: 1 })
  call.onNotification(progress)
  ask('one')
  await first.log.answer
  call.onNotification(progress)
  const second = round('2', { inputResponses: { input_1: {} }, _meta: { progressToken: 12 } })
  call.resume(second)
  call.onNotification(progress)
  call.onNotification(message)
  expect(first.log.notifications.map((each) => paramsOf(each)['progressToken'])).toEqual(['p1'])
  expect(second.log.notifications.map(paramsOf)).toEqual([
    { progressToken: 12, progress: 1 },
    { data: 1 },
  ])
})

test('an error of the server reaches the client under its own id', async () => {
  const { connection, first } = begin(round('"own"'))
  connection.last.refuse(new RpcError(-1, 'no'))
  const answer = await first.log.answer
  expect([answer.id, errorOf(answer)?.code]).toEqual(['"own"', -1])
})

test('a call that is given up tells its server and asks nothing more', async () => {
  vi.useFakeTimers()
  const { call, connection, over, ask, first } = begin()
  ask('one')
  call.cancel()
  vi.advanceTimersByTime(1000)
  vi.useRealTimers()
  await new Promise(setImmediate)
  expect(connection.last.isCancelled).toBe(true)
  expect(over).toEqual(['over'])
  expect(first.log.order).toEqual([])
})
