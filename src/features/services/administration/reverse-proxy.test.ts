import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { openServiceManagement } from '../../../../test/support/service-management.ts'
import { parseMemory } from './reverse-proxy-draft.ts'

const config = {
  name: 'My Weather Tool',
  repository: { url: 'https://github.com/o/r', path: './weather', entryPoint: 'dist/index.js' },
  environment: { API_KEY: 'hidden-0042', MODE: 'fast' },
  proxy: { path: '/mcp/weather' },
}
const plain = { 'x-api-key': 'key' }

test('a service is created, shown, changed and deleted as clients of MCP Reverse Proxy do it', async () => {
  await using services = await openServiceManagement()
  const created = await services.ask('POST', '/api/services', { body: config, headers: plain })
  expect(created.status).toBe(201)
  expect(created.json).toEqual({
    id: expect.stringMatching(/^mcp-\d+-[a-z0-9]{9}$/),
    message: 'Service created successfully',
  })
  const path = `/api/services/${created.json.id}`
  const row = await services.ask('GET', path, { headers: plain })
  expect(row.json).toMatchObject({
    id: created.json.id,
    name: 'My Weather Tool',
    slug: 'My-Weather-Tool',
    repositoryUrl: 'https://github.com/o/r',
    repositoryBranch: 'main',
    repositoryPath: './weather',
    entryPoint: 'dist/index.js',
    environment: { API_KEY: '[secret]', MODE: '[secret]' },
    proxyPath: '/mcp/weather',
    rateLimit: 100,
    cacheTTL: 300,
    timeout: 30_000,
    autoRestart: true,
    maxRestarts: 5,
    maxMemory: '512MB',
    healthCheckInterval: 30,
    status: 'stopped',
    lastError: null,
    metrics: null,
    upstream: { command: 'node', args: ['dist/index.js'], cwd: resolve('weather') },
  })
  const changed = await services.ask('PUT', path, {
    body: { proxy: { timeout: 5000, rateLimit: 0 }, process: { maxMemory: '1 GB' } },
    headers: plain,
  })
  expect(changed).toMatchObject({
    status: 200,
    json: { message: 'Service updated successfully' },
  })
  const service = services.directory.service(created.json.id)
  expect(service?.settings).toMatchObject({
    timeoutMs: 5000,
    totalTimeoutMs: 5000,
    requestsPerMinute: null,
    cacheTtlMs: 300_000,
    upstream: { memoryBytesMax: 1024 ** 3 },
  })
  expect(service?.values.get('API_KEY')).toMatchObject({ kind: 'secret' })
  const deleted = await services.ask('DELETE', path, { headers: plain })
  expect(deleted).toMatchObject({ status: 200, json: { message: 'Service deleted successfully' } })
  expect((await services.ask('GET', '/api/services', { headers: plain })).json).toEqual([])
})

test('it stays stopped until it is started, or starts at once where that is asked for', async () => {
  await using services = await openServiceManagement()
  const first = await services.ask('POST', '/api/services', { body: config })
  expect(services.control.calls).toEqual([`stop ${first.json.id}`])
  expect(services.directory.desiredState(first.json.id)).toBe('stopped')
  const body = { ...config, proxy: { path: '/two' }, autoStart: true }
  const second = await services.ask('POST', '/api/services', { body })
  expect(services.control.calls.at(-1)).toBe(`start ${second.json.id}`)
  expect(services.directory.desiredState(second.json.id)).toBe('started')
})

test('names may repeat there, so each gets a name of its own in URLs', async () => {
  await using services = await openServiceManagement()
  const slugOf = async (name: string, path: string): Promise<string> => {
    const body = { ...config, name, proxy: { path } }
    const { json } = await services.ask('POST', '/api/services', { body })
    return services.directory.service(json.id)?.name ?? ''
  }
  expect(await slugOf('Wetter für Köln!', '/a')).toBe('Wetter-fur-Koln')
  expect(await slugOf('Wetter für Köln!', '/b')).toBe('Wetter-fur-Koln-2')
  expect(await slugOf('天気', '/c')).toBe('service')
  expect(await slugOf('health', '/d')).toBe('health-2')
})

test('a new name, a new entry point and kept values reach the program', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: config })
  const path = `/api/services/${json.id}`
  await services.ask('PUT', path, {
    body: {
      name: 'Rain',
      repository: { entryPoint: 'main.js' },
      environment: { API_KEY: '[secret]', OTHER: 'x' },
    },
  })
  const service = services.directory.service(json.id)
  const key = service?.values.get('API_KEY')
  expect(service).toMatchObject({ name: 'Rain', origin: { title: 'Rain', entryPoint: 'main.js' } })
  expect(service?.settings.upstream).toMatchObject({ args: ['main.js'] })
  expect(key?.kind === 'secret' && key.secret.reveal()).toBe('hidden-0042')
  expect([...(service?.values.keys() ?? [])]).toEqual(['API_KEY', 'OTHER'])
})

test('an entry point outside its repository is refused, and one that would be an option', async () => {
  await using services = await openServiceManagement()
  for (const entryPoint of ['../evil.js', '/etc/passwd', '.', '--eval=1', 'a/../../b.js']) {
    const repository = { path: './weather', entryPoint }
    const refused = await services.ask('POST', '/api/services', { body: { ...config, repository } })
    expect([entryPoint, refused.status]).toEqual([entryPoint, 400])
  }
  expect(services.directory.services('default')).toEqual([])
})

test('errors are plain text for clients that ask as those of MCP Reverse Proxy do', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: config })
  const path = `/api/services/${json.id}`
  services.control.broken.add(json.id)
  const ask = async (
    ...[method, url, body]: [Parameters<typeof services.ask>[0], string, object?]
  ) => {
    const answer = await services.ask(method, url, { headers: plain, ...(body && { body }) })
    expect(answer.type).toBe('text/plain; charset=utf-8')
    return [answer.status, answer.text]
  }
  expect(await ask('GET', '/api/services/none')).toEqual([404, 'Service not found'])
  expect(await ask('POST', '/api/services', { name: 'x' })).toEqual([400, 'Validation error'])
  expect(await ask('PUT', path, { nonsense: 1 })).toEqual([400, 'Validation error'])
  expect(await ask('POST', '/api/services', { ...config, name: 'Other' })).toEqual([
    409,
    'Proxy path already in use',
  ])
  expect(await ask('POST', `${path}/start`)).toEqual([500, 'Failed to start service'])
  expect(await ask('POST', `${path}/restart`)).toEqual([500, 'Failed to restart service'])
  services.as('services:use')
  expect((await ask('GET', path))[0]).toBe(403)
})

test('errors are JSON for everybody else, and where JSON is asked for', async () => {
  await using services = await openServiceManagement()
  const accepting = { ...plain, accept: 'application/json' }
  for (const headers of [accepting, { authorization: 'Bearer key' }, {}]) {
    const answer = await services.ask('GET', '/api/services/none', { headers })
    expect(answer).toMatchObject({ status: 404, json: { error: { code: 'not_found' } } })
  }
})

test('log lines come oldest first, with what MCP Reverse Proxy says of them', async () => {
  await using services = await openServiceManagement()
  const { json } = await services.ask('POST', '/api/services', { body: config })
  const line = (id: number) => ({ id, at: id, level: 'info', stream: 'stderr', message: `m${id}` })
  services.lines.set(json.id, [line(1), line(2), line(3)])
  const logs = await services.ask('GET', `/api/services/${json.id}/logs?limit=2`)
  expect(logs.json).toEqual([
    {
      id: 2,
      serviceId: json.id,
      timestamp: '1970-01-01T00:00:00.002Z',
      level: 'info',
      message: 'm2',
      metadata: { stream: 'stderr' },
    },
    expect.objectContaining({ id: 3, message: 'm3' }),
  ])
  expect((await services.ask('GET', `/api/services/${json.id}/logs?limit=0`)).status).toBe(400)
})

test.each([
  ['512MB', 512 * 1024 ** 2],
  ['1.5 GiB', 1.5 * 1024 ** 3],
  ['100', 100],
  ['64k', 65_536],
])('%s are so many bytes', (text, bytes) => {
  expect(parseMemory(text)).toBe(bytes)
})
