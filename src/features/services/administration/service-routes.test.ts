import { describe, expect, test } from 'vitest'
import {
  openServiceManagement,
  openServiceState,
} from '../../../../test/support/service-management.ts'
import type { ServiceManagement } from '../../../../test/support/service-management.ts'
import { engines } from '../../../../test/support/store.ts'

const secretText = 'ghp_very_secret_0042'
const memoryServer = {
  name: 'memory',
  upstream: {
    kind: 'process',
    command: 'npx',
    args: ['-y', '@modelcontextprotocol/server-memory'],
    env: { GITHUB_TOKEN: secretText, LANG: 'C', OWN: { perUser: true, description: 'Your key' } },
  },
}
const remote = {
  name: 'remote',
  upstream: {
    kind: 'remote',
    url: 'https://mcp.example/mcp',
    headers: { 'X-Auth': { secret: secretText }, 'X-Team': 'blue' },
  },
}

describe.each(engines)('services on %s', (engine) => {
  test('a new service is shown, listed and found at once, and its secrets are never shown', async () => {
    await using services = await openServiceManagement(engine)
    const created = await services.ask('POST', '/api/services', { body: memoryServer })
    expect(created.status).toBe(201)
    expect(created.json).toMatchObject({
      id: expect.stringMatching(/^mcp-\d+-[a-z0-9]{9}$/),
      name: 'memory',
      slug: 'memory',
      workspaceId: 'default',
      environment: { GITHUB_TOKEN: '[secret]', LANG: 'C' },
      proxyPath: '/mcp/memory',
      isolation: 'shared',
      state: 'idle',
      status: 'stopped',
      metrics: null,
      toolCount: null,
      perUserValues: ['OWN'],
      settings: { start: 'on-demand', timeoutMs: 300_000 },
    })
    const list = await services.ask('GET', '/api/services')
    expect(list.json).toEqual([created.json])
    const byName = await services.ask('GET', '/api/services/memory')
    expect(byName.json).toEqual(created.json)
    const live = services.directory.find('default', 'memory')
    const values = live?.kind === 'service' ? live.service.values : undefined
    expect(values?.get('GITHUB_TOKEN')).toMatchObject({ kind: 'secret' })
    expect(reveal(services, 'memory', 'GITHUB_TOKEN')).toBe(secretText)
    expect(created.text + list.text).not.toContain('0042')
    const rows = await services.store.db.selectFrom('services').selectAll().execute()
    const audit = await services.store.db.selectFrom('audit').selectAll().execute()
    expect(JSON.stringify([rows, audit])).not.toContain('0042')
    expect(audit).toMatchObject([{ action: 'service.create', actor: 'key_default' }])
  })

  test('everything is there again after a restart', async () => {
    await using services = await openServiceManagement(engine)
    await services.ask('POST', '/api/services', { body: memoryServer })
    await services.ask('POST', '/api/bundles', {
      body: { name: 'all-of-it', members: [{ service: 'memory' }] },
    })
    const before = services.directory.services('default')
    const { directory, catalogue } = await openServiceState(services.store)
    await using _closed = catalogue
    expect(directory.services('default')).toEqual(before)
    expect(directory.bundles('default')).toEqual(services.directory.bundles('default'))
  })
})

test('a change keeps what it does not mention, and the revision while nothing has to be restarted', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  const heard: unknown[] = []
  services.directory.onChange(({ before, after }) => heard.push([before?.id, after?.id]))
  const changed = await services.ask('PATCH', '/api/services/memory', {
    body: { description: 'Remembers', requestsPerMinute: 5 },
  })
  expect(changed.status).toBe(200)
  expect(changed.json).toEqual({
    ...json,
    rateLimit: 5,
    settings: { ...json.settings, description: 'Remembers', requestsPerMinute: 5 },
    updatedAt: expect.any(String),
  })
  expect(heard).toEqual([[json.id, json.id]])
  expect(reveal(services, 'memory', 'GITHUB_TOKEN')).toBe(secretText)
})

test('a value that reads [secret] keeps the stored one, another one changes the revision', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  const kept = await services.ask('PUT', '/api/services/memory', {
    body: { name: 'memory', upstream: json.upstream },
  })
  expect(kept.json.revision).toBe(json.revision)
  expect(reveal(services, 'memory', 'GITHUB_TOKEN')).toBe(secretText)
  const upstream = { ...json.upstream, env: { GITHUB_TOKEN: 'ghp_other' } }
  const other = await services.ask('PATCH', '/api/services/memory', { body: { upstream } })
  expect(other.json.revision).not.toBe(json.revision)
  expect(reveal(services, 'memory', 'GITHUB_TOKEN')).toBe('ghp_other')
  const missing = await services.ask('PATCH', '/api/services/memory', {
    body: { upstream: { ...upstream, env: { API_KEY: '[secret]' } } },
  })
  expect(missing).toMatchObject({ status: 400, json: { error: { code: 'invalid_request' } } })
})

test('a stored secret is never sent to another host', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: remote })
  expect(json.upstream.headers).toEqual({ 'x-auth': { secret: '[secret]' }, 'x-team': 'blue' })
  expect(json.isolation).toBe('per-session')
  const moved = { ...json.upstream, url: 'https://evil.example/mcp' }
  const refused = await services.ask('PATCH', '/api/services/remote', { body: { upstream: moved } })
  expect(refused.status).toBe(400)
  const path = { ...json.upstream, url: 'https://mcp.example/other' }
  const allowed = await services.ask('PATCH', '/api/services/remote', { body: { upstream: path } })
  expect(allowed.status).toBe(200)
  expect(reveal(services, 'remote', 'x-auth')).toBe(secretText)
})

test('names that meet a path of Portico are refused, and names that are taken', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/bundles', { body: { name: 'kit', members: [] } })
  for (const name of ['ws', 'Proxy', 'commands', 'mcp-1700000000000-abcdefghi']) {
    const refused = await services.ask('POST', '/api/services', { body: { ...remote, name } })
    expect(refused.json.error.code).toBe('reserved_name')
  }
  const taken = await services.ask('POST', '/api/services', { body: { ...remote, name: 'kit' } })
  expect(taken).toMatchObject({ status: 409, json: { error: { code: 'conflict', param: 'name' } } })
  await services.ask('POST', '/api/services', { body: remote })
  const bundle = { name: 'remote', members: [] }
  expect((await services.ask('POST', '/api/bundles', { body: bundle })).status).toBe(409)
})

test('a path is found by its whole segments, the longest first, and given out once', async () => {
  await using services = await openServiceManagement()
  const create = (name: string, path: string) =>
    services.ask('POST', '/api/services', { body: { ...remote, name, path } })
  await create('short', '/tools')
  const long = await create('long', '/tools/deep/')
  expect(long.json.proxyPath).toBe('/tools/deep')
  const named = (path: string) => services.directory.findByPath('default', path)?.name
  expect(['/tools', '/tools/x', '/tools/deep/y', '/toolsy', '/'].map(named)).toEqual([
    'short',
    'short',
    'long',
    undefined,
    undefined,
  ])
  expect(services.directory.findByPath('other', '/tools')).toBeUndefined()
  expect((await create('third', '/tools')).json.error).toMatchObject({ param: 'path' })
  expect((await create('third', '/mcp/short')).status).toBe(409)
  expect((await create('third', '/mcp/ws')).json.error.code).toBe('reserved_name')
  expect((await create('third', '/v1/chat')).json.error.code).toBe('reserved_name')
  expect((await create('third', '/a/../b')).status).toBe(400)
})

test('start, stop and restart are noted, done and audited', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  const started = await services.ask('POST', '/api/services/memory/start')
  expect(started.json).toEqual({ message: 'Service started successfully' })
  const running = await services.ask('GET', '/api/services/memory')
  expect(running.json).toMatchObject({
    status: 'running',
    desiredState: 'started',
    metrics: { pid: 42, status: 'running', uptime: 5000, memoryUsage: 1024, cpuUsage: 1.5 },
    updatedAt: json.updatedAt,
  })
  await services.ask('POST', '/api/services/memory/restart')
  await services.ask('POST', '/api/services/memory/refresh')
  await services.ask('POST', '/api/services/memory/stop')
  expect(services.directory.desiredState(json.id)).toBe('stopped')
  const verbs = services.control.calls.map((call) => call.split(' ')[0])
  expect(verbs).toEqual(['start', 'restart', 'refresh', 'stop'])
  const audit = await services.store.db.selectFrom('audit').select('action').execute()
  expect(audit.map(({ action }) => action)).toEqual([
    'service.create',
    'service.start',
    'service.restart',
    'service.stop',
  ])
  await services.ask('PATCH', '/api/services/memory', { body: { enabled: false } })
  expect((await services.ask('POST', '/api/services/memory/start')).status).toBe(409)
})

test('what crashed shows why', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  services.control.statuses.set(json.id, {
    state: 'crashed',
    lastError: 'exited with code 1',
    stderr: ['Error: no token'],
    health: { isHealthy: false, at: services.clock.now(), latencyMs: null },
  })
  const health = await services.ask('GET', '/api/services/memory/health')
  expect(health.json).toMatchObject({
    status: 'crashed',
    lastError: 'exited with code 1',
    stderr: ['Error: no token'],
    health: { isHealthy: false, latencyMs: null },
  })
  services.control.statuses.set(json.id, { state: 'backoff' })
  expect((await services.ask('GET', '/api/services/memory')).json.status).toBe('restarting')
})

test('a service whose secrets do not open is disabled and shown, and works again with new ones', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  await services.store.db
    .updateTable('services')
    .set({ sealedValues: 'v1.00000000.AAAA', updatedAt: 1 })
    .execute()
  await services.directory.reload('default')
  expect(services.directory.service(json.id)?.settings.enabled).toBe(false)
  const shown = await services.ask('GET', '/api/services/memory')
  expect(shown.json).toMatchObject({ state: 'unreadable', status: 'stopped' })
  const upstream = { ...json.upstream, env: { GITHUB_TOKEN: 'new' } }
  const mended = await services.ask('PATCH', '/api/services/memory', { body: { upstream } })
  expect(mended.json.state).toBe('idle')
  expect(reveal(services, 'memory', 'GITHUB_TOKEN')).toBe('new')
})

function reveal(services: ServiceManagement, name: string, value: string): string | undefined {
  const found = services.directory.find('default', name)
  const live = found?.kind === 'service' ? found.service.values.get(value) : undefined
  return live?.kind === 'secret' ? live.secret.reveal() : undefined
}
