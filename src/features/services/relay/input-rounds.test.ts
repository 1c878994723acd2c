import { expect, test, vi } from 'vitest'
import { logCall } from '../../../../test/support/call-log.ts'
import { createFakeConnection, type SentCall } from '../../../../test/support/fake-connection.ts'
import type { Respond } from '../upstream/connection.ts'
import type { JsonObject } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import {
  errorOf,
  makeError,
  makeNotification,
  makeRequest,
  makeResult,
  paramsOf,
  resultOf,
  type RpcRequest,
} from '../wire/rpc-message.ts'
import { startInputRounds } from './input-rounds.ts'

const everything = { elicitation: {}, sampling: {}, roots: {} }
const elicit = { method: 'elicitation/create', params: { message: 'Well?' } }

/** A call whose client answers with `reply`, and whose server is the fake connection. */
function begin(
  reply: (request: RpcRequest, respond: Respond) => void,
  capabilities: JsonObject = everything,
) {
  const connection = createFakeConnection({ era: 'modern' })
  const log = logCall()
  const running = startInputRounds({
    request: makeRequest('7', 'tools/call', { name: 't' }),
    method: 'tools/call',
    capabilities,
    answerMs: 10_000,
    sink: {
      ...log,
      onRequest(request, respond) {
        log.onRequest(request, respond)
        reply(request, respond)
      },
    },
    send: (request, sink) => connection.request(request, sink),
  })
  return { connection, log, running }
}

const accept = ({ id, method }: RpcRequest, respond: Respond) =>
  respond(makeResult(id, { to: method }))
const needInput = (call: SentCall | undefined, result: JsonObject) =>
  call?.answer({ resultType: 'input_required', ...result })

test('everything that a server wants to know in a round is asked, and the call is made again with the answers', async () => {
  const { connection, log } = begin(accept)
  needInput(connection.last, {
    inputRequests: { a: elicit, b: { method: 'roots/list' } },
    requestState: 's1',
  })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
  expect(log.requests.map(({ method }) => method)).toEqual(['elicitation/create', 'roots/list'])
  expect(log.requests.map(paramsOf)).toEqual([{ message: 'Well?' }, {}])
  expect(connection.last.params).toEqual({
    name: 't',
    inputResponses: { a: { to: 'elicitation/create' }, b: { to: 'roots/list' } },
    requestState: 's1',
  })
  connection.last.answer({ content: [], resultType: 'complete' })
  expect(resultOf(await log.answer)).toEqual({ content: [] })
})

test('each round brings only its own answers and state', async () => {
  const { connection, log } = begin(accept)
  needInput(connection.last, { inputRequests: { a: elicit }, requestState: 's1' })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
  needInput(connection.last, { inputRequests: { b: elicit } })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(3))
  expect(connection.last.params).toEqual({
    name: 't',
    inputResponses: { b: { to: 'elicitation/create' } },
  })
  connection.last.answer({ content: [] })
  await log.answer
  expect(log.order).toEqual(['request', 'request', 'response'])
})

test('progress and errors reach the client in any round', async () => {
  const { connection, log } = begin(accept)
  connection.last.sink.onNotification(makeNotification('notifications/progress'))
  needInput(connection.last, { inputRequests: { a: elicit } })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
  connection.last.sink.onNotification(makeNotification('notifications/progress'))
  connection.last.refuse(new RpcError(-1, 'no'))
  expect(errorOf(await log.answer)?.code).toBe(-1)
  expect(log.notifications).toHaveLength(2)
})

test('a client that refuses to be asked for input has cancelled it', async () => {
  const { connection } = begin(({ id }, respond) => respond(makeError(id, new RpcError(-1, 'no'))))
  needInput(connection.last, { inputRequests: { a: elicit } })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
  expect(connection.last.params['inputResponses']).toEqual({ a: { action: 'cancel' } })
})

test('a client that refuses anything else ends the call with its error', async () => {
  const { connection, log } = begin(({ id }, respond) =>
    respond(makeError(id, new RpcError(-1, 'I do not say'))),
  )
  needInput(connection.last, { inputRequests: { a: { method: 'sampling/createMessage' } } })
  const answer = await log.answer
  expect([answer.id, errorOf(answer)?.message]).toEqual(['7', 'I do not say'])
  expect(connection.sent).toHaveLength(1)
})

test('what the client did not say it can answer, or is no question, is not asked', async () => {
  const { connection, log } = begin(accept, { roots: {} })
  needInput(connection.last, { inputRequests: { a: elicit } })
  const error = errorOf(await log.answer)
  expect(error).toMatchObject({
    code: rpcCodes.internalError,
    data: { requiredCapabilities: { elicitation: {} } },
  })
  const other = begin(accept)
  needInput(other.connection.last, { inputRequests: { a: 7 } })
  expect(errorOf(await other.log.answer)?.code).toBe(rpcCodes.internalError)
  expect([...log.requests, ...other.log.requests]).toEqual([])
})

test('a round with nothing but a state is made again without a question, after a pause', async () => {
  const { connection, log } = begin(accept)
  const startedAt = performance.now()
  needInput(connection.last, { requestState: 'later' })
  await vi.waitFor(() => expect(connection.sent).toHaveLength(2))
  expect(performance.now() - startedAt).toBeGreaterThan(150)
  expect(connection.last.params).toEqual({ name: 't', requestState: 'later' })
  expect(log.requests).toEqual([])
})

test('a server that asks again and again is given up', async () => {
  const { connection, log } = begin(accept)
  const failed = log.answer.catch((error: unknown) => error)
  for (let round = 1; round <= 33; round += 1) {
    needInput(connection.last, { inputRequests: { a: elicit } })
    const sent = Math.min(round + 1, 33)
    await vi.waitFor(() => expect(connection.sent).toHaveLength(sent), 1000)
  }
  expect(await failed).toMatchObject({ code: 'upstream_failed' })
  expect(connection.sent).toHaveLength(33)
})

test('after a cancel nothing is sent or heard, whatever the client still answers', async () => {
  const { connection, log, running } = begin(() => undefined)
  needInput(connection.last, { inputRequests: { a: elicit } })
  const { request, respond } = await log.asked
  running.cancel()
  respond(makeResult(request.id, {}))
  const paused = begin(accept)
  needInput(paused.connection.last, { requestState: 's' })
  paused.running.cancel()
  await new Promise(setImmediate)
  expect(connection.last.isCancelled).toBe(true)
  expect([connection.sent.length, paused.connection.sent.length]).toEqual([1, 1])
  expect([log.order, paused.log.order]).toEqual([['request'], []])
})
