import fc from 'fast-check'
import { expect, test } from 'vitest'
import { metaKeys } from '../wire/meta-keys.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import {
  errorOf,
  makeError,
  makeRawResult,
  makeRequest,
  makeResult,
  paramsOf,
  resultOf,
} from '../wire/rpc-message.ts'
import {
  resultTypeOf,
  toLegacyRequest,
  toLegacyResponse,
  toModernRequest,
  toModernResponse,
} from './era-edits.ts'

const client = { capabilities: { roots: {} }, clientInfo: { name: 'c', version: '1' } }

test('a modern server is told who asks, and a level where one was set', () => {
  const request = makeRequest('1', 'tools/call', { name: 't', _meta: { progressToken: 7 } })
  const envelope = {
    progressToken: 7,
    [metaKeys.protocolVersion]: '2026-07-28',
    [metaKeys.clientCapabilities]: { roots: {} },
    [metaKeys.clientInfo]: { name: 'c', version: '1' },
  }
  expect(paramsOf(toModernRequest(request, client, undefined))['_meta']).toEqual(envelope)
  expect(paramsOf(toModernRequest(request, client, 'error'))['_meta']).toEqual({
    ...envelope,
    [metaKeys.logLevel]: 'error',
  })
  expect(
    paramsOf(toModernRequest(makeRequest('1', 'tools/list'), client, undefined)),
  ).toHaveProperty('_meta')
})

test('a legacy server sees neither the envelope nor the answers of an earlier round', () => {
  const request = makeRequest('1', 'tools/call', {
    name: 't',
    inputResponses: { a: {} },
    requestState: 's',
    _meta: { [metaKeys.protocolVersion]: '2026-07-28', [metaKeys.logLevel]: 'info', own: 1 },
  })
  expect(paramsOf(toLegacyRequest(request))).toEqual({ name: 't', _meta: { own: 1 } })
})

test('for any parameters, the way to a modern server and back to a legacy one changes nothing', () => {
  const meta = fc.dictionary(fc.constantFrom('progressToken', 'own', '"'), fc.jsonValue())
  const params = fc
    .record({
      name: fc.string(),
      arguments: fc.dictionary(fc.string(), fc.jsonValue()),
      _meta: meta,
      cursor: fc.jsonValue(),
    })
    .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)
  fc.assert(
    fc.property(params, fc.option(fc.string(), { nil: undefined }), (value, level) => {
      const request = makeRequest('"id"', 'tools/call', value)
      const back = toLegacyRequest(toModernRequest(request, client, level))
      expect(paramsOf(back)).toEqual(value)
      expect(back.bytes.equals(request.bytes)).toBe(true)
    }),
  )
})

test('a result of a legacy server is complete for a modern client, and other bytes stay', () => {
  const response = toModernResponse(makeRawResult('1', '{"n":12345678901234567890}'), 'tools/call')
  expect(response.bytes.toString()).toContain('"n":12345678901234567890')
  expect(resultTypeOf(response)).toBe('complete')
  const typed = toModernResponse(makeResult('1', { resultType: 'task' }), 'tools/call')
  expect(resultOf(typed)).toEqual({ resultType: 'task' })
})

test('what a legacy server reads is not to be kept by a modern client', () => {
  const read = toModernResponse(makeResult('1', { contents: [] }), 'resources/read')
  expect(resultOf(read)).toEqual({
    contents: [],
    resultType: 'complete',
    ttlMs: 0,
    cacheScope: 'private',
  })
})

test('a legacy client is spared what it does not know', () => {
  const modern = { content: [], resultType: 'complete', ttlMs: 1, cacheScope: 'public' }
  expect(resultOf(toLegacyResponse(makeResult('1', modern), 'tools/call'))).toEqual({ content: [] })
})

test('structured content that is no object is left out for a legacy client', () => {
  const legacy = (structuredContent: unknown) =>
    resultOf(toLegacyResponse(makeResult('1', { structuredContent }), 'tools/call'))
  expect(legacy([1])).toEqual({})
  expect(legacy('text')).toEqual({})
  expect(legacy({ a: 1 })).toEqual({ structuredContent: { a: 1 } })
})

test('a resource that there is not has the code of the era of the client', () => {
  const code = (response: ReturnType<typeof makeError>) => errorOf(response)?.code
  const legacy = makeError('1', new RpcError(rpcCodes.legacyResourceNotFound, 'no'))
  const modern = makeError('1', new RpcError(rpcCodes.invalidParams, 'no'))
  expect(code(toModernResponse(legacy, 'resources/read'))).toBe(rpcCodes.invalidParams)
  expect(code(toLegacyResponse(modern, 'resources/read'))).toBe(rpcCodes.legacyResourceNotFound)
  expect(code(toLegacyResponse(modern, 'tools/call'))).toBe(rpcCodes.invalidParams)
  const other = makeError('1', new RpcError(-1, 'odd'))
  expect(toModernResponse(other, 'tools/call')).toBe(other)
  expect(toLegacyResponse(other, 'resources/read')).toBe(other)
})
