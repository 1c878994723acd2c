import { expect, test } from 'vitest'
import { openServiceManagement } from '../../../../test/support/service-management.ts'
import type { ServiceManagement } from '../../../../test/support/service-management.ts'

const memoryServer = {
  name: 'memory',
  upstream: {
    kind: 'process',
    command: 'npx',
    args: ['-y', '@modelcontextprotocol/server-memory'],
    env: { GITHUB_TOKEN: 'ghp_very_secret', OWN: { perUser: true } },
  },
}
const remote = { name: 'remote', upstream: { kind: 'remote', url: 'https://mcp.example/mcp' } }

test('S52 saying what is run needs services:run-command in every way in which it can be said', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  await services.ask('POST', '/api/services', { body: remote })
  services.as('manage')
  const other = { ...json.upstream, args: ['--evil'] }
  const attempts = [
    services.ask('POST', '/api/services', { body: { ...memoryServer, name: 'second' } }),
    services.ask('POST', '/api/services', { body: reverseProxyBody() }),
    services.ask('PATCH', '/api/services/memory', { body: { upstream: other } }),
    services.ask('PUT', '/api/services/memory', { body: { name: 'memory', upstream: other } }),
    services.ask('PUT', '/api/services/memory', {
      body: { environment: { NODE_OPTIONS: '-r x' } },
    }),
    services.ask('PUT', '/api/services/memory', { body: { process: { maxMemory: '1GB' } } }),
    services.ask('PATCH', '/api/services/remote', { body: { upstream: memoryServer.upstream } }),
    services.ask('PATCH', '/api/services/memory', {
      body: { upstream: { ...json.upstream, sandbox: true } },
    }),
  ]
  for (const { status, json: answer } of await Promise.all(attempts)) {
    expect([status, answer.error.code]).toEqual([403, 'insufficient_scope'])
  }
  const harmless = await services.ask('PUT', '/api/services/memory', {
    body: { name: 'memory', upstream: json.upstream, description: 'the same program' },
  })
  expect(harmless.status).toBe(200)
  services.as(['manage', 'services:run-command'])
  const allowed = await services.ask('PATCH', '/api/services/memory', { body: { upstream: other } })
  expect(allowed.status).toBe(200)
})

test('S57 an address that is private needs leave, and leave needs the scope admin', async () => {
  await using services = await openServiceManagement()
  const upstream = (url: string, allowPrivate = false) => ({ kind: 'remote', url, allowPrivate })
  for (const url of ['http://127.0.0.1:9/mcp', 'http://[::ffff:10.0.0.1]/', 'http://localhost/x']) {
    const refused = await services.ask('POST', '/api/services', {
      body: { name: 'local', upstream: upstream(url) },
    })
    expect(refused.json.error.code).toBe('destination_not_allowed')
  }
  const gopher = { name: 'g', upstream: upstream('gopher://example.com/') }
  expect((await services.ask('POST', '/api/services', { body: gopher })).status).toBe(400)
  const body = { name: 'local', upstream: upstream('http://127.0.0.1:9/mcp', true) }
  services.as(['manage', 'services:run-command'])
  expect((await services.ask('POST', '/api/services', { body })).status).toBe(403)
  services.as('admin')
  expect((await services.ask('POST', '/api/services', { body })).status).toBe(201)
})

test('S06 fields that do not exist are refused, and nothing is changed', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: memoryServer })
  const before = await services.store.db.selectFrom('services').selectAll().execute()
  const attempts = await Promise.all([
    services.ask('POST', '/api/services', { body: { ...memoryServer, name: 'b', id: 'mine' } }),
    services.ask('PATCH', '/api/services/memory', { body: { ownerId: 'x' } }),
    services.ask('PUT', '/api/services/memory', { body: { proxy: { nonsense: 1 } } }),
    services.ask('POST', '/api/bundles', { body: { name: 'b', members: [], role: 'admin' } }),
  ])
  expect(attempts.map(({ status, json }) => [status, json.error.code])).toEqual(
    attempts.map(() => [400, 'unknown_field']),
  )
  expect(attempts[2]?.json.error.issues[0].path).toBe('proxy.nonsense')
  expect(await services.store.db.selectFrom('services').selectAll().execute()).toEqual(before)
})

test('S05 what belongs to another workspace is not found, whatever is asked of it', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: memoryServer })
  const bundle = await services.ask('POST', '/api/bundles', { body: { name: 'b', members: [] } })
  services.as(['manage', 'services:run-command', 'services:use'], 'other')
  const path = `/api/services/${json.id}`
  const routes: [Parameters<ServiceManagement['ask']>[0], string, object?][] = [
    ['GET', path],
    ['PUT', path, { name: 'x' }],
    ['PATCH', path, { description: 'x' }],
    ['DELETE', path],
    ['POST', `${path}/start`],
    ['POST', `${path}/stop`],
    ['POST', `${path}/restart`],
    ['POST', `${path}/refresh`],
    ['GET', `${path}/health`],
    ['GET', `${path}/metrics`],
    ['GET', `${path}/logs`],
    ['GET', `${path}/logs/stream`],
    ['GET', `${path}/tools`],
    ['GET', `${path}/changes`],
    ['POST', `${path}/approve`, { all: true }],
    ['GET', `${path}/values`],
    ['PUT', `${path}/values/OWN`, { value: 'x' }],
    ['DELETE', `${path}/values/OWN`],
    ['GET', '/api/services/memory'],
    ['GET', `/api/bundles/${bundle.json.id}`],
    ['PATCH', `/api/bundles/${bundle.json.id}`, { description: 'x' }],
    ['DELETE', `/api/bundles/${bundle.json.id}`],
  ]
  const count = services.control.calls.length
  for (const [method, url, body] of routes) {
    const answer = await services.ask(method, url, body && { body })
    expect([method, url, answer.status]).toEqual([method, url, 404])
  }
  expect(services.control.calls).toHaveLength(count)
  expect((await services.ask('GET', '/api/services')).json).toEqual([])
  expect(services.directory.services('default')).toHaveLength(1)
})

function reverseProxyBody() {
  return { name: 'My Tool', repository: { entryPoint: 'index.js' }, proxy: { path: '/my-tool' } }
}
