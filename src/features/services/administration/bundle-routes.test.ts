import { expect, test } from 'vitest'
import { openServiceManagement } from '../../../../test/support/service-management.ts'

const upstream = { kind: 'builtin', server: 'think' }

test('a bundle is created, changed and deleted', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  const created = await services.ask('POST', '/api/bundles', {
    body: { name: 'kit', members: [{ service: 'a' }, { service: 'a', alias: 'again' }] },
  })
  expect(created).toMatchObject({
    status: 201,
    json: { name: 'kit', enabled: true, naming: 'on-collision', mode: 'list' },
  })
  expect(services.directory.find('default', 'kit')?.kind).toBe('bundle')
  const changed = await services.ask('PATCH', '/api/bundles/kit', { body: { mode: 'search' } })
  expect(changed.json).toEqual({
    ...created.json,
    mode: 'search',
    updatedAt: expect.any(String),
  })
  expect((await services.ask('GET', '/api/bundles')).json).toEqual({ bundles: [changed.json] })
  expect((await services.ask('DELETE', `/api/bundles/${created.json.id}`)).status).toBe(204)
  expect(services.directory.find('default', 'kit')).toBeUndefined()
})

test('members have to exist and to be told apart', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  const refused = await services.ask('POST', '/api/bundles', {
    body: { name: 'kit', members: [{ service: 'none' }, { service: 'a' }, { service: 'a' }] },
  })
  expect(refused.json.error.issues.map(({ path }: { path: string }) => path)).toEqual([
    'members.0',
    'members.2',
  ])
})

test('a bundle follows a service that is renamed, and keeps one that it needs', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  await services.ask('POST', '/api/bundles', { body: { name: 'kit', members: [{ service: 'a' }] } })
  await services.ask('PATCH', '/api/services/a', { body: { name: 'b' } })
  const members = () => services.directory.bundles('default')[0]?.settings.members
  expect(members()).toMatchObject([{ service: 'b' }])
  const refused = await services.ask('DELETE', '/api/services/b')
  expect(refused.json.error.message).toContain('"kit"')
  expect((await services.ask('DELETE', '/api/services/b?force=true')).status).toBe(200)
  expect(members()).toEqual([])
})
