import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  adminRequester,
  inboundWith,
  openTestKeys,
  testProviderId,
  type TestKeys,
} from '../../../test/support/keys.ts'
import { createManagementApp, type Asker } from '../../../test/support/management-app.ts'
import { openTestStore } from '../../../test/support/store.ts'
import type { Store } from '../../store/store.ts'
import type { LiveKey } from './live-key.ts'
import { keysRoutes } from './routes.ts'

let scope: AsyncDisposableStack
let store: Store
let keys: TestKeys
let app: FastifyInstance
let asker: Asker

beforeEach(async () => {
  scope = new AsyncDisposableStack()
  store = scope.use(await openTestStore())
  keys = scope.use(await openTestKeys(store))
  asker = { principal: adminRequester.principal }
  app = scope.use(await createManagementApp(keysRoutes({ store, keys }), asker))
})
afterEach(() => scope.disposeAsync())

async function ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) {
  const response = await app.inject({ method, url, ...(payload && { payload }) })
  const body = response.body === '' ? undefined : response.json()
  return { status: response.statusCode, body }
}

/** A manager of a new workspace, who asks from then on. */
async function becomeManager(body: object = {}): Promise<LiveKey> {
  const { id } = await keys.workspaces.create(adminRequester, 'team')
  const scopes = ['manage', 'models:use']
  const { key } = await keys.issue({ name: 'boss', workspaceId: id, scopes, ...body })
  asker.principal = key
  return key
}

test('a key is made with its text shown once, found, changed, rotated and deleted', async () => {
  const made = await ask('POST', '/api/keys', {
    name: 'alice',
    scopes: ['models:use', 'files:write'],
    expiresAt: '2026-12-24T18:00:00+01:00',
    allowedModels: ['gpt-*'],
    requestsPerMinute: 60,
    tokensPerMinute: 100_000,
    concurrentRequests: 4,
    budget: { day: 0.1, month: 20 },
    allowQuery: true,
    defaultProvider: testProviderId,
  })
  expect(made.status).toBe(201)
  const { key, ...shown } = made.body
  expect(key).toMatch(/^ptk_[1-9A-HJ-NP-Za-km-z]{32}$/)
  expect(shown).toMatchObject({
    name: 'alice',
    workspaceId: 'default',
    parentId: null,
    prefix: key.slice(0, 8),
    last4: key.slice(-4),
    scopes: ['models:use', 'files:write'],
    expiresAt: '2026-12-24T17:00:00.000Z',
    budget: { day: 0.1, week: null, month: 20, total: null },
    defaultProviderId: testProviderId,
    createdAt: '2026-07-15T12:00:00.000Z',
  })
  const url = `/api/keys/${shown.id}`
  expect(await ask('GET', url)).toEqual({ status: 200, body: shown })
  expect((await ask('GET', '/api/keys')).body).toEqual({ keys: [shown] })

  const change = { name: 'bob', expiresAt: 1_800_000_000_000, budget: { day: null, total: 3 } }
  const changed = await ask('PATCH', url, change)
  expect(changed.body).toMatchObject({
    name: 'bob',
    expiresAt: '2027-01-15T08:00:00.000Z',
    budget: { day: null, week: null, month: 20, total: 3 },
    requestsPerMinute: 60,
  })
  const rotated = await ask('POST', `${url}/rotate`)
  expect(rotated.status).toBe(200)
  expect(rotated.body.key).not.toBe(key)
  expect(keys.findByText(key)).toBeUndefined()
  expect(await ask('DELETE', url)).toEqual({ status: 204, body: undefined })
  expect((await ask('GET', url)).status).toBe(404)
})

test('a key made with a name alone may use models and nothing else', async () => {
  const { body } = await ask('POST', '/api/keys', { name: 'plain' })
  expect(body).toMatchObject({
    scopes: ['models:use'],
    enabled: true,
    expiresAt: null,
    allowedModels: null,
    allowQuery: false,
  })
})

test('S06 fields that a client may not set are refused, and nothing is changed', async () => {
  const { body: key } = await ask('POST', '/api/keys', { name: 'plain' })
  for (const extra of [{ id: 'key_1' }, { hash: 'x' }, { role: 'admin' }, { createdAt: 1 }]) {
    const refusal = await ask('POST', '/api/keys', { name: 'x', ...extra })
    expect([refusal.status, refusal.body.error.code]).toEqual([400, 'unknown_field'])
    expect((await ask('PATCH', `/api/keys/${key.id}`, extra)).status).toBe(400)
  }
  for (const extra of [{ parentId: 'key_2' }, { workspaceId: 'other' }]) {
    expect((await ask('PATCH', `/api/keys/${key.id}`, extra)).body.error.code).toBe('unknown_field')
  }
  expect((await ask('GET', '/api/keys')).body.keys).toHaveLength(1)
})

test('every mistake of a new key is listed', async () => {
  const { status, body } = await ask('POST', '/api/keys', {
    name: '',
    scopes: ['fly'],
    expiresAt: 'soon',
    allowedModels: ['a*b'],
    requestsPerMinute: -1,
    budget: { day: -1, year: 4 },
  })
  expect(status).toBe(400)
  const paths = body.error.issues.map(({ path }: { path: string }) => path)
  expect(paths).toEqual([
    'name',
    'scopes.0',
    'expiresAt',
    'allowedModels.0',
    'requestsPerMinute',
    'budget.day',
    'budget.year',
  ])
})

test('a provider, parent or workspace that does not exist is named', async () => {
  const provider = await ask('POST', '/api/keys', { name: 'x', defaultProvider: 'nobody' })
  expect(provider.body.error).toMatchObject({
    code: 'invalid_request',
    issues: [{ path: 'defaultProvider' }],
  })
  expect((await ask('POST', '/api/keys', { name: 'x', parentId: 'key_0' })).status).toBe(404)
  expect((await ask('POST', '/api/keys', { name: 'x', workspaceId: 'ws_0' })).status).toBe(404)
  expect((await ask('GET', '/api/keys?workspace=ws_0')).status).toBe(404)
})

test('S05 objects of another workspace are the very same 404 as those that do not exist', async () => {
  const { key: foreign } = await keys.issue({ name: 'foreign' })
  await becomeManager()
  const unknown = '00000000'
  const asks: [Parameters<typeof ask>[0], string, object?][] = [
    ['GET', '/api/keys/ID'],
    ['PATCH', '/api/keys/ID', { name: 'x' }],
    ['POST', '/api/keys/ID/rotate'],
    ['DELETE', '/api/keys/ID'],
  ]
  for (const [method, url, payload] of asks) {
    const theirs = await ask(method, url.replace('ID', foreign.keyId), payload)
    expect(theirs.status).toBe(404)
    expect(theirs).toEqual(await ask(method, url.replace('ID', unknown), payload))
  }
  const parent = { name: 'x', parentId: foreign.keyId }
  expect((await ask('POST', '/api/keys', parent)).status).toBe(404)
  for (const url of ['/api/keys', '/api/usage', '/api/usage/requests', '/api/audit']) {
    expect((await ask('GET', `${url}?workspace=default`)).status).toBe(404)
  }
  expect((await ask('GET', '/api/workspaces/default')).status).toBe(404)
  expect(foreign.settings.name).toBe('foreign')
})

test('a manager cannot hand out or take what it does not have', async () => {
  const boss = await becomeManager()
  const code = async (...request: Parameters<typeof ask>) => (await ask(...request)).body.error.code
  const refused = 'insufficient_scope'
  expect(await code('POST', '/api/keys', { name: 'x', scopes: ['admin'] })).toBe(refused)
  expect(await code('POST', '/api/keys', { name: 'x', scopes: ['files:write'] })).toBe(refused)
  expect((await ask('POST', '/api/keys', { name: 'x', scopes: ['manage'] })).status).toBe(201)

  const self = `/api/keys/${boss.keyId}`
  expect(await code('PATCH', self, { scopes: ['manage', 'admin'] })).toBe(refused)
  expect(await code('PATCH', self, { allowedModels: null })).toBe(refused)
  expect((await ask('PATCH', self, { name: 'chief' })).status).toBe(200)

  const { workspaceId } = boss
  const { key: root } = await keys.issue({ name: 'root', workspaceId, scopes: ['admin'] })
  expect(await code('POST', `/api/keys/${root.keyId}/rotate`)).toBe(refused)
  expect(await code('DELETE', `/api/keys/${root.keyId}`)).toBe(refused)
})

test('what a manager with limits makes stays within them', async () => {
  const boss = await becomeManager({ budget: { total: 5 } })
  const { body: made } = await ask('POST', '/api/keys', { name: 'below' })
  expect(made.parentId).toBe(boss.keyId)
  const free = { name: 'free', parentId: null }
  expect((await ask('POST', '/api/keys', free)).body.error.code).toBe('insufficient_scope')
  const { key: sibling } = await keys.issue({ name: 'sibling', workspaceId: boss.workspaceId })
  const url = `/api/keys/${sibling.keyId}`
  expect((await ask('POST', `${url}/rotate`)).body.error.code).toBe('insufficient_scope')
  expect((await ask('PATCH', `/api/keys/${made.id}`, { budget: { total: 99 } })).status).toBe(200)
})

test('a key has no scope that the key above it lacks', async () => {
  const { key: parent } = await keys.issue({ name: 'parent' })
  const body = { name: 'child', parentId: parent.keyId }
  const wide = await ask('POST', '/api/keys', { ...body, scopes: ['models:use', 'manage'] })
  expect(wide.body.error).toMatchObject({ code: 'invalid_request', issues: [{ path: 'scopes' }] })
  const { body: child } = await ask('POST', '/api/keys', body)
  const change = await ask('PATCH', `/api/keys/${child.id}`, { scopes: ['manage'] })
  expect(change.status).toBe(400)
})

test('a key without the scope manage gets nothing from any route', async () => {
  const { key } = await keys.issue({ name: 'user' })
  asker.principal = key
  for (const url of ['/api/keys', '/api/workspaces', '/api/usage', '/api/audit']) {
    expect((await ask('GET', url)).body.error.code).toBe('insufficient_scope')
  }
})

test('workspaces are made, renamed and deleted by an admin only', async () => {
  const { status, body: team } = await ask('POST', '/api/workspaces', { name: 'team' })
  expect(status).toBe(201)
  const { body: renamed } = await ask('PATCH', `/api/workspaces/${team.id}`, { name: 'crew' })
  expect(renamed.name).toBe('crew')
  expect((await ask('GET', '/api/workspaces')).body.workspaces).toHaveLength(2)
  const member = await ask('POST', '/api/keys', { name: 'member', workspaceId: team.id })
  expect(member.body.workspaceId).toBe(team.id)
  expect((await ask('GET', `/api/keys?workspace=${team.id}`)).body.keys).toHaveLength(1)

  const boss = await becomeManager()
  expect((await ask('GET', '/api/workspaces')).body.workspaces).toMatchObject([
    { id: boss.workspaceId },
  ])
  expect((await ask('POST', '/api/workspaces', { name: 'x' })).status).toBe(403)
  const own = `/api/workspaces/${boss.workspaceId}`
  expect((await ask('DELETE', own)).status).toBe(403)
  expect((await ask('DELETE', `/api/workspaces/${team.id}`)).status).toBe(404)

  asker.principal = adminRequester.principal
  expect((await ask('DELETE', `/api/workspaces/${team.id}`)).status).toBe(204)
  expect((await ask('GET', `/api/workspaces/${team.id}`)).status).toBe(404)
  expect(keys.findByText(member.body.key)).toBeUndefined()
  expect((await ask('DELETE', '/api/workspaces/default')).status).toBe(409)
})

test('every change leaves an audit row with its author, and no secret in it', async () => {
  const { body: made } = await ask('POST', '/api/keys', { name: 'first', budget: { day: 1.5 } })
  const { body: changed } = await ask('PATCH', `/api/keys/${made.id}`, { name: 'second' })
  const { body: rotated } = await ask('POST', `/api/keys/${made.id}/rotate`)
  await ask('DELETE', `/api/keys/${made.id}`)
  const { body } = await ask('GET', `/api/audit?target=${made.id}`)
  expect(body.audit.map(({ action }: { action: string }) => action)).toEqual([
    'key.delete',
    'key.rotate',
    'key.update',
    'key.create',
  ])
  expect(body.audit[2]).toMatchObject({
    actor: adminRequester.principal.keyId,
    targetType: 'key',
    requestId: 'req_test',
    ip: '127.0.0.1',
    before: { name: 'first', budget: { day: 1.5 } },
    after: changed,
  })
  const trail = JSON.stringify(body)
  expect(trail).not.toMatch(/hash|sealed/)
  expect(trail).not.toContain(made.key)
  expect(trail).not.toContain(rotated.key)

  const page = await ask('GET', '/api/audit?limit=1&action=key.update')
  expect(page.body).toMatchObject({ audit: [{ action: 'key.update' }], nextCursor: null })
})

test('usage is summed by key, model, day and provider, and listed request by request', async () => {
  const { key, text } = await keys.issue({ name: 'used' })
  keys.authenticate(inboundWith({ authorization: text }), { carriers: new Set(['authorization']) })
  for (const modelUsed of ['gpt-4o', 'gpt-4o', null]) {
    keys.recordUsage({
      requestId: 'req_1',
      workspaceId: 'default',
      keyId: key.keyId,
      route: 'chat/completions',
      modelAsked: 'fast',
      providerId: modelUsed && 'prov_1',
      modelUsed,
      status: modelUsed ? 200 : 404,
      inputTokens: 100,
      outputTokens: 50,
      cachedTokens: null,
      costNanoUsd: modelUsed === null ? null : 250_000_000,
      usageSource: 'reported',
      abortedBy: null,
      attempts: 1,
      firstByteMs: 5,
      latencyMs: 9,
    })
  }
  const { body } = await ask('GET', '/api/usage?groupBy=model&from=2026-07-15&to=2026-07-15')
  expect(body.total).toMatchObject({ requests: 3, errors: 1, inputTokens: 300, costUsd: 0.5 })
  expect(body.usage).toMatchObject([
    { group: '', requests: 1, costUsd: 0 },
    { group: 'gpt-4o', requests: 2, costUsd: 0.5 },
  ])
  const byKey = await ask('GET', `/api/usage?groupBy=key&keyId=${key.keyId}&model=gpt-4o`)
  expect(byKey.body.usage).toMatchObject([{ group: key.keyId, requests: 2 }])
  expect((await ask('GET', '/api/usage?from=2026-07-16')).body.usage).toEqual([])
  expect((await ask('GET', '/api/usage?from=yesterday')).status).toBe(400)

  const rows = await ask('GET', '/api/usage/requests?limit=2&from=2026-07-15T00:00:00Z')
  expect(rows.body.requests).toMatchObject([
    { modelUsed: null, costUsd: null, status: 404 },
    { modelUsed: 'gpt-4o', costUsd: 0.25, at: '2026-07-15T12:00:00.000Z' },
  ])
  const rest = await ask('GET', `/api/usage/requests?limit=2&cursor=${rows.body.nextCursor}`)
  expect(rest.body).toMatchObject({ requests: [{ modelUsed: 'gpt-4o' }], nextCursor: null })
})
