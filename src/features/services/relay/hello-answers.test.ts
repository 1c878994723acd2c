import { expect, test } from 'vitest'
import type { ServerHello } from '../upstream/connection.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { discoverResult, initializeResult } from './hello-answers.ts'

const shared = { isPrivate: false, ttlMs: 5 }
const serverInfo = { name: 's', version: '2', title: 'S' }

function hello(own: Partial<ServerHello> = {}): ServerHello {
  const capabilities = { tools: {}, tasks: { list: {} }, extensions: { x: {} } }
  return {
    era: 'legacy',
    protocolVersion: '2025-11-25',
    capabilities,
    serverInfo,
    instructions: 'Be kind.',
    result: { protocolVersion: '2025-11-25', capabilities, serverInfo, odd: 1, _meta: { a: 1 } },
    ...own,
  }
}

const modern = hello({
  era: 'modern',
  protocolVersion: '2026-07-28',
  result: {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    ttlMs: 1,
    cacheScope: 'public',
    _meta: { [metaKeys.serverInfo]: serverInfo, own: 1 },
    odd: 1,
  },
})

test('a legacy client gets the revision that it asked for, or the latest where that is not spoken', () => {
  const version = (asked: string | undefined) =>
    initializeResult(hello(), asked, shared)['protocolVersion']
  expect(version('2024-11-05')).toBe('2024-11-05')
  expect(version('1999-01-01')).toBe('2025-11-25')
  expect(version('2026-07-28')).toBe('2025-11-25')
  expect(version(undefined)).toBe('2025-11-25')
})

test('everything that a legacy server says reaches a legacy client, but for tasks of a shared connection', () => {
  expect(initializeResult(hello(), undefined, shared)).toEqual({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, extensions: { x: {} } },
    serverInfo,
    instructions: 'Be kind.',
    odd: 1,
    _meta: { a: 1 },
  })
  const own = initializeResult(hello(), undefined, { ...shared, isPrivate: true })
  expect(own['capabilities']).toHaveProperty('tasks')
})

test('what only modern clients understand is kept from a legacy one', () => {
  expect(initializeResult(modern, undefined, { ...shared, isPrivate: true })).toEqual({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo,
    instructions: 'Be kind.',
    odd: 1,
  })
})

test('a server without a name is given one, as legacy clients insist on it', () => {
  const nameless = hello({ serverInfo: {}, instructions: undefined })
  const result = initializeResult(nameless, undefined, shared)
  expect(result['serverInfo']).toEqual({ name: 'unknown', version: '0' })
  expect(result).not.toHaveProperty('instructions')
})

test('a legacy server is discovered without its tasks and under our own revision', () => {
  expect(discoverResult(hello(), shared)).toEqual({
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {}, extensions: { x: {} } },
    instructions: 'Be kind.',
    ttlMs: 5,
    cacheScope: 'private',
    odd: 1,
    _meta: { a: 1, [metaKeys.serverInfo]: serverInfo },
  })
})

test('a modern server is discovered as it is, but for how long and by whom the answer may be kept', () => {
  const result = discoverResult(modern, shared)
  expect(result['capabilities']).toEqual(modern.capabilities)
  expect(result).toMatchObject({ ttlMs: 5, cacheScope: 'private', odd: 1 })
  expect(result['_meta']).toEqual({ own: 1, [metaKeys.serverInfo]: serverInfo })
})
