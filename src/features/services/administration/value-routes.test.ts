import { expect, test } from 'vitest'
import {
  openServiceManagement,
  openServiceState,
} from '../../../../test/support/service-management.ts'
import { isOwnValuePath } from './own-value-path.ts'

const upstream = {
  kind: 'remote',
  url: 'https://mcp.example/mcp',
  headers: { Authorization: { perUser: true, description: 'Bearer token' } },
}

test('a key that may only use services gives its own value, which nobody else gets', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  services.as('services:use')
  const wanted = await services.ask('GET', '/api/services/a/values')
  const entry = { name: 'authorization', description: 'Bearer token' }
  expect(wanted.json).toEqual({ values: [{ ...entry, isSet: false }] })
  const set = await services.ask('PUT', '/api/services/a/values/authorization', {
    body: { value: 'Bearer mine-0042' },
  })
  expect(set.status).toBe(204)
  const values = services.directory.userValues(json.id, 'key_default')
  expect(values.get('authorization')?.reveal()).toBe('Bearer mine-0042')
  expect(services.directory.userValues(json.id, 'key_other').size).toBe(0)
  const shown = await services.ask('GET', '/api/services/a/values')
  expect(shown.json.values).toEqual([{ ...entry, isSet: true }])
  const stored = JSON.stringify([
    await services.store.db.selectFrom('serviceUserValues').selectAll().execute(),
    await services.store.db.selectFrom('audit').selectAll().execute(),
  ])
  expect(stored).toContain('service.value.set')
  expect(stored).not.toContain('0042')

  const restarted = await openServiceState(services.store)
  await using _catalogue = restarted.catalogue
  const again = restarted.directory.userValues(json.id, 'key_default').get('authorization')
  expect(again?.reveal()).toBe('Bearer mine-0042')
  await services.ask('DELETE', '/api/services/a/values/authorization')
  expect(services.directory.userValues(json.id, 'key_default').size).toBe(0)
})

test('only values that the service wants, of services that the key may use', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  await services.ask('POST', '/api/services', { body: { name: 'forbidden', upstream } })
  services.as('services:use')
  const body = { value: 'x' }
  const put = (path: string) => services.ask('PUT', `/api/services/${path}`, { body })
  expect((await put('a/values/other')).status).toBe(404)
  expect((await put('forbidden/values/authorization')).status).toBe(404)
  expect((await services.ask('GET', '/api/services/a')).status).toBe(403)
  services.as('models:use')
  expect((await put('a/values/authorization')).status).toBe(403)
})

test('the values of a key go with the key', async () => {
  await using services = await openServiceManagement()
  await services.ask('POST', '/api/services', { body: { name: 'a', upstream } })
  await services.ask('PUT', '/api/services/a/values/authorization', { body: { value: 'x' } })
  await services.store.db.deleteFrom('keys').where('id', '=', 'key_default').execute()
  expect(await services.store.db.selectFrom('serviceUserValues').selectAll().execute()).toEqual([])
})

test.each([
  ['/api/services/a/values', true],
  ['/api/services/a/values/X', true],
  ['/api/services/a/values/X/y', false],
  ['/api/services/values', false],
  ['/api/services/a', false],
])('%s is open to keys that manage nothing: %s', (path, isOpen) => {
  expect(isOwnValuePath(path)).toBe(isOpen)
})
