import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  adminRequester,
  inboundWith,
  openTestKeys,
  requesterAs,
  type TestKeys,
} from '../../../test/support/keys.ts'
import { openTestStore } from '../../../test/support/store.ts'
import type { AppError } from '../../lib/errors.ts'
import type { Scope } from '../../lib/principal.ts'
import type { Carrier } from '../../net/exchange.ts'
import { KeyChange, NewKey } from '../../protocol/api/keys.ts'
import type { CredentialRule } from './authenticate.ts'

const everywhere: ReadonlySet<Carrier> = new Set([
  'authorization',
  'x-api-key',
  'apikey',
  'api-key',
  'x-goog-api-key',
  'query',
])
const models: CredentialRule = { carriers: everywhere, scope: 'models:use' }

const scope = new AsyncDisposableStack()
let keys: TestKeys

beforeAll(async () => {
  keys = scope.use(await openTestKeys(scope.use(await openTestStore())))
})
afterAll(() => scope.disposeAsync())

function codeOf(credentials: Partial<Record<Carrier, string>>, rule = models, ip?: string): string {
  return failureOf(credentials, rule, ip)?.code ?? 'accepted'
}

function failureOf(
  credentials: Partial<Record<Carrier, string>>,
  rule = models,
  ip?: string,
): AppError | undefined {
  try {
    keys.authenticate(inboundWith(credentials, ip), rule)
    return undefined
  } catch (error) {
    return error as AppError
  }
}

async function change(id: string, body: object): Promise<void> {
  await keys.administration.update(adminRequester, id, KeyChange.parse(body))
}

test('a key is accepted from every carrier of the route and named on the access line', async () => {
  const { key, text } = await keys.issue({ name: 'any', allowQuery: true })
  for (const carrier of everywhere) {
    const inbound = inboundWith({ [carrier]: text })
    expect(keys.authenticate(inbound, models)).toBe(key)
    expect(inbound.note.keyId).toBe(key.keyId)
  }
})

test('a key in a carrier that the route does not read does not count', async () => {
  const { text } = await keys.issue({ name: 'elsewhere' })
  const rule: CredentialRule = { carriers: new Set(['authorization']), scope: 'models:use' }
  expect(codeOf({ 'x-goog-api-key': text }, rule)).toBe('invalid_api_key')
  expect(codeOf({ 'x-goog-api-key': 'another', authorization: text }, rule)).toBe('accepted')
})

test('no key, an empty key and an unknown key are all invalid_api_key', () => {
  expect(codeOf({})).toBe('invalid_api_key')
  expect(codeOf({ authorization: '' })).toBe('invalid_api_key')
  expect(codeOf({ authorization: 'ptk_unknown' })).toBe('invalid_api_key')
  expect(codeOf({ authorization: 'x'.repeat(10_000) })).toBe('invalid_api_key')
})

test('S12 a key without the scope is refused alike, whatever carries it', async () => {
  const { text } = await keys.issue({ name: 'models only', allowQuery: true })
  const foreign: Scope[] = ['services:use', 'files:write', 'manage', 'admin']
  for (const scopeNeeded of foreign) {
    for (const carrier of ['authorization', 'x-api-key', 'query'] as const) {
      expect(codeOf({ [carrier]: text }, { carriers: everywhere, scope: scopeNeeded })).toBe(
        'insufficient_scope',
      )
    }
  }
})

test('S12 two different keys in one request are ambiguous, the same key twice is not', async () => {
  const one = await keys.issue({ name: 'one' })
  const other = await keys.issue({ name: 'other' })
  expect(codeOf({ authorization: one.text, 'x-api-key': other.text })).toBe('ambiguous_credentials')
  expect(codeOf({ authorization: one.text, 'x-api-key': one.text })).toBe('accepted')
})

test('S13 a key comes in the query only where it is allowed to', async () => {
  const { key, text } = await keys.issue({ name: 'header only' })
  expect(codeOf({ query: text })).toBe('query_key_not_allowed')
  expect(codeOf({ authorization: text })).toBe('accepted')
  expect(codeOf({ query: text, authorization: text })).toBe('accepted')
  await change(key.keyId, { allowQuery: true })
  expect(codeOf({ query: text })).toBe('accepted')
  expect(codeOf({ query: text }, { carriers: new Set(['authorization']) })).toBe(
    'query_key_not_allowed',
  )
})

test('S13 keys in the query can be switched off for all', async () => {
  await using store = await openTestStore()
  await using strict = await openTestKeys(store, { config: { queryKeys: false } })
  const { text } = await strict.issue({ name: 'query', allowQuery: true })
  expect(() => strict.authenticate(inboundWith({ query: text }), models)).toThrow(
    expect.objectContaining({ code: 'query_key_not_allowed' }),
  )
})

test('every change of a key is effective on the next request', async () => {
  const { key, text } = await keys.issue({ name: 'changing' })
  const code = () => codeOf({ authorization: text })
  expect(code()).toBe('accepted')
  await change(key.keyId, { enabled: false })
  expect(code()).toBe('key_disabled')
  await change(key.keyId, { enabled: true, scopes: ['rooms:join'] })
  expect(code()).toBe('insufficient_scope')
  await change(key.keyId, { scopes: ['models:use'] })
  expect(code()).toBe('accepted')
  const rotated = await keys.administration.rotate(adminRequester, key.keyId)
  expect(code()).toBe('invalid_api_key')
  expect(codeOf({ authorization: rotated.text })).toBe('accepted')
  await keys.administration.remove(adminRequester, key.keyId)
  expect(codeOf({ authorization: rotated.text })).toBe('invalid_api_key')
  expect(key.standing(keys.clock.now())).toBe('disabled')
})

test('a key expires by the clock, at the stated millisecond', async () => {
  const expiresAt = keys.clock.now() + 5000
  const { text } = await keys.issue({ name: 'short', expiresAt })
  keys.clock.advance(4999)
  expect(codeOf({ authorization: text })).toBe('accepted')
  keys.clock.advance(1)
  expect(codeOf({ authorization: text })).toBe('key_expired')
})

test('a key does not outlive, nor work without, any of the keys above it', async () => {
  const top = await keys.issue({ name: 'top', expiresAt: keys.clock.now() + 5000 })
  const middle = await keys.issue({ name: 'middle', parentId: top.key.keyId })
  const leaf = await keys.issue({ name: 'leaf', parentId: middle.key.keyId })
  const code = () => codeOf({ authorization: leaf.text })
  expect(code()).toBe('accepted')
  await change(middle.key.keyId, { enabled: false })
  expect(code()).toBe('key_disabled')
  await change(middle.key.keyId, { enabled: true })
  expect(code()).toBe('accepted')
  keys.clock.advance(5000)
  expect(code()).toBe('key_disabled')
  await keys.administration.remove(adminRequester, top.key.keyId)
  expect(code()).toBe('invalid_api_key')
})

test('deleting a workspace ends its keys at once', async () => {
  const { id } = await keys.workspaces.create(adminRequester, 'team')
  const { text } = await keys.issue({ name: 'member', workspaceId: id })
  expect(codeOf({ authorization: text })).toBe('accepted')
  await keys.workspaces.remove(adminRequester, id)
  expect(codeOf({ authorization: text })).toBe('invalid_api_key')
})

test('S14 an address that keeps trying unknown keys has to wait, and a valid key passes meanwhile', async () => {
  const { text } = await keys.issue({ name: 'valid' })
  const ip = '2001:db8::1'
  const neighbour = '2001:db8::ffff'
  for (let at = 0; at < 20; at++) {
    expect(codeOf({ authorization: `guess ${at}` }, models, ip)).toBe('invalid_api_key')
  }
  keys.clock.advance(20_000)
  expect(failureOf({ authorization: 'guess' }, models, neighbour)).toMatchObject({
    code: 'rate_limit_exceeded',
    details: { retryAfterMs: 40_000 },
  })
  expect(codeOf({ authorization: text }, models, ip)).toBe('accepted')
  expect(codeOf({ authorization: 'guess' }, models, '2001:db8:0:1::1')).toBe('invalid_api_key')
  keys.clock.advance(40_000)
  expect(codeOf({ authorization: 'guess' }, models, ip)).toBe('invalid_api_key')
})

test('allow-lists hold for a key and for all keys below it', async () => {
  const parent = await keys.issue({ name: 'parent', allowedModels: ['gpt-*', 'claude'] })
  const child = await keys.issue({
    name: 'child',
    parentId: parent.key.keyId,
    allowedModels: ['gpt-4', 'llama', 'claude*'],
  })
  const allowed = (name: string) => child.key.allowsModel(name)
  expect(['gpt-4', 'claude'].map(allowed)).toEqual([true, true])
  expect(['gpt-5', 'llama', 'claude-2', 'gpt', ''].map(allowed)).toEqual(Array(5).fill(false))
  await change(parent.key.keyId, { allowedModels: ['*'] })
  expect(['llama', 'claude-2', 'gpt-5'].map(allowed)).toEqual([true, true, false])
  await change(child.key.keyId, { allowedModels: null })
  expect(allowed('anything')).toBe(true)
})

test('names from Object.prototype are only names', async () => {
  const { key } = await keys.issue({ name: '__proto__', allowedModels: ['__proto__'] })
  expect(key.allowsModel('__proto__')).toBe(true)
  expect(key.allowsModel('constructor')).toBe(false)
  expect(keys.findByText('__proto__')).toBeUndefined()
})

test('a requester without a key of its own is judged by its scopes alone', async () => {
  const session = requesterAs({
    keyId: 'session',
    workspaceId: 'default',
    scopes: new Set(['manage']),
  })
  const draft = NewKey.parse({ name: 'x' })
  await expect(keys.administration.create(session, draft)).rejects.toMatchObject({
    code: 'insufficient_scope',
  })
})
