import { expect, test } from 'vitest'
import { logListener } from '../../../../test/support/call-log.ts'
import { rpcCodes } from '../wire/rpc-error.ts'
import { errorOf, makeNotification, makeRequest, makeResult } from '../wire/rpc-message.ts'
import { createEarlyListener } from './early-listener.ts'

const ignore = () => undefined

test('what came early is delivered in order, and what comes later at once', () => {
  const early = createEarlyListener()
  const heard = logListener()
  early.onRequest(makeRequest('1', 'roots/list'), ignore)
  early.onNotification(makeNotification('a'))
  early.handOver(heard)
  expect(heard.methods).toEqual(['roots/list', 'a'])
  early.onNotification(makeNotification('b'))
  early.onRequest(makeRequest('2', 'ping'), ignore)
  expect(heard.methods).toEqual(['roots/list', 'a', 'b', 'ping'])
})

test('an early request is answered by whoever takes over', () => {
  const early = createEarlyListener()
  const answers: unknown[] = []
  early.onRequest(makeRequest('1', 'roots/list'), (answer) => answers.push(answer.id))
  early.handOver({
    onNotification: ignore,
    onRequest: ({ id }, respond) => respond(makeResult(id, {})),
  })
  expect(answers).toEqual(['1'])
})

test('of a flood a hundred messages are kept; requests beyond are refused, notifications lost', () => {
  const early = createEarlyListener()
  const codes: unknown[] = []
  for (let count = 0; count < 100; count += 1) early.onNotification(makeNotification(`n${count}`))
  early.onNotification(makeNotification('lost'))
  early.onRequest(makeRequest('1', 'roots/list'), (answer) => codes.push(errorOf(answer)?.code))
  expect(codes).toEqual([rpcCodes.internalError])
  const heard = logListener()
  early.handOver(heard)
  expect(heard.methods).toHaveLength(100)
  expect(heard.methods.at(-1)).toBe('n99')
})
