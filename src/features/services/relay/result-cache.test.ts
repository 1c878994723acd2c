import { expect, test, vi } from 'vitest'
import { plainService } from '../../../../test/support/plain-service.ts'
import { RpcError } from '../wire/rpc-error.ts'
import { makeError, makeRawResult, makeRequest, makeResult } from '../wire/rpc-message.ts'
import { cacheKey, createResultCache } from './result-cache.ts'

const readOnly = JSON.stringify({ annotations: { readOnlyHint: true } })
const caching = plainService({ cacheTtlMs: 1000 })

function keyOf({
  service = caching,
  keyId = 'key-1',
  toolJson = readOnly as string | undefined,
  name = 'read',
  args = { path: 'a' } as Record<string, unknown> | null,
  era = 'legacy',
} = {}) {
  const params = args === null ? { name } : { name, arguments: args }
  const request = makeRequest('1', 'tools/call', params)
  return cacheKey(service, keyId, { toolJson, name, request, era })
}

test('S46 keys, eras, services, tools and arguments never share a result', () => {
  const keys = [
    keyOf(),
    keyOf({ keyId: 'key-2' }),
    keyOf({ era: 'modern' }),
    keyOf({ service: { ...caching, id: 'svc-2' } }),
    keyOf({ name: 'write' }),
    keyOf({ args: { path: 'b' } }),
    keyOf({ args: {} }),
    keyOf({ args: null }),
    keyOf({ name: 'read" {}' }),
  ]
  expect(keys).not.toContain(undefined)
  expect(new Set(keys).size).toBe(keys.length)
  expect(keyOf()).toBe(keys[0])
})

test('a call that brings answers of its user is neither served from the cache nor kept in it', () => {
  for (const round of [{ inputResponses: { a: {} } }, { requestState: 's' }]) {
    const request = makeRequest('1', 'tools/call', { name: 'read', arguments: {}, ...round })
    const call = { toolJson: readOnly, name: 'read', request, era: 'modern' }
    expect(cacheKey(caching, 'key-1', call)).toBeUndefined()
  }
})

test('only a tool that says it changes nothing may be answered from the cache', () => {
  const tool = (annotations: Record<string, boolean>) =>
    keyOf({ toolJson: JSON.stringify({ annotations }) })
  expect(tool({ readOnlyHint: true, idempotentHint: true })).toBeDefined()
  expect(tool({ readOnlyHint: true, idempotentHint: false })).toBeUndefined()
  expect(tool({ idempotentHint: true })).toBeUndefined()
  expect(tool({})).toBeUndefined()
  expect(keyOf({ toolJson: '{}' })).toBeUndefined()
})

test('nothing is cached unless the service says so, nor what a session has of its own', () => {
  expect(keyOf({ service: plainService() })).toBeUndefined()
  for (const isolation of ['per-session', 'per-call']) {
    expect(keyOf({ service: plainService({ cacheTtlMs: 1000, isolation }) })).toBeUndefined()
  }
})

test('a result is served under the id of the request, byte for byte', () => {
  const cache = createResultCache()
  cache.keep('svc-1 k', makeRawResult('1', '{"n":12345678901234567890}'), 1000)
  expect(cache.find('svc-1 k', '"x"')?.bytes.toString()).toBe(
    '{"jsonrpc":"2.0","id":"x","result":{"n":12345678901234567890}}',
  )
  expect(cache.find('svc-1 other', '1')).toBeUndefined()
})

test('errors, tools that failed and results that are not complete are not kept', () => {
  const cache = createResultCache()
  cache.keep('k', makeError('1', new RpcError(-1, 'no')), 1000)
  cache.keep('k', makeResult('1', { content: [], isError: true }), 1000)
  cache.keep('k', makeResult('1', { resultType: 'input_required' }), 1000)
  expect(cache.find('k', '1')).toBeUndefined()
  cache.keep('k', makeResult('1', { isError: false, resultType: 'complete' }), 1000)
  expect(cache.find('k', '1')).toBeDefined()
})

test('a result is forgotten after its time', async () => {
  const cache = createResultCache()
  cache.keep('k', makeResult('1', {}), 30)
  expect(cache.find('k', '1')).toBeDefined()
  await vi.waitFor(() => expect(cache.find('k', '1') === undefined).toBe(true))
})

test('a result of more than a mebibyte is not kept', () => {
  const cache = createResultCache()
  cache.keep('k', makeResult('1', { text: 'x'.repeat(1024 * 1024) }), 1000)
  expect(cache.find('k', '1')).toBeUndefined()
})

test('what a service has is forgotten without that of another whose id begins alike', () => {
  const cache = createResultCache()
  cache.keep('svc-1 k', makeResult('1', {}), 1000)
  cache.keep('svc-11 k', makeResult('1', {}), 1000)
  cache.clear('svc-1')
  expect(cache.find('svc-1 k', '1')).toBeUndefined()
  expect(cache.find('svc-11 k', '1')).toBeDefined()
})
