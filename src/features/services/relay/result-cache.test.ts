import { expect, test } from 'vitest'
import { NewService } from '../../../protocol/api/services.ts'
import type { Service } from '../service.ts'
import { cacheKey } from './result-cache.ts'

function service(): Service {
  const upstream = { kind: 'remote', url: 'https://mcp.example/' }
  const settings = NewService.parse({
    name: 'a',
    upstream,
    cacheTtlMs: 60_000,
    isolation: 'shared',
  })
  return {
    id: 'mcp-1',
    workspaceId: 'default',
    name: 'a',
    values: new Map(),
    revision: '1',
    createdAt: 0,
    updatedAt: 0,
    settings: { ...settings, isolation: 'shared' },
  }
}

const toolJson = '{"name":"t","annotations":{"readOnlyHint":true}}'

test('S46 two keys never share a result', () => {
  const call = { toolJson, params: { name: 't', arguments: {} }, era: 'modern' }
  const [one, other] = ['alice', 'bob'].map((keyId) => cacheKey(service(), keyId, call))
  expect(one).toBeDefined()
  expect(one).not.toBe(other)
})

test('a call that brings answers of its user is neither served from the cache nor kept in it', () => {
  const params = { name: 't', arguments: {} }
  for (const round of [{ inputResponses: { a: {} } }, { requestState: 's' }]) {
    const call = { toolJson, params: { ...params, ...round }, era: 'modern' }
    expect(cacheKey(service(), 'alice', call)).toBeUndefined()
  }
})
