import { expect, test } from 'vitest'
import { makeRequest, makeResult, paramsOf, type RpcRequest } from '../wire/rpc-message.ts'
import { startInputRounds } from './input-rounds.ts'

test('a client that does not answer what it is asked has cancelled it after a while', async () => {
  const request = makeRequest('1', 'tools/call', { name: 'x' })
  const inputRequests = { name: { method: 'elicitation/create', params: { message: '?' } } }
  const question = { resultType: 'input_required', inputRequests, requestState: 's' }
  const sent: RpcRequest[] = []
  const answered = Promise.withResolvers<void>()
  startInputRounds({
    request,
    method: 'tools/call',
    capabilities: { elicitation: {} },
    answerMs: 20,
    sink: {
      onNotification: () => {},
      onRequest: () => {},
      onResponse: () => answered.resolve(),
      onFailure: answered.reject,
    },
    send(round, sink) {
      sent.push(round)
      const result = sent.length === 1 ? question : { resultType: 'complete' }
      queueMicrotask(() => sink.onResponse(makeResult('1', result)))
      return { cancel: () => {} }
    },
  })
  await answered.promise
  expect(sent.slice(1).map((round) => paramsOf(round))).toEqual([
    { name: 'x', requestState: 's', inputResponses: { name: { action: 'cancel' } } },
  ])
})
