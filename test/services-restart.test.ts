import { expect, test, vi } from 'vitest'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { instantServer, misbehaving } from './support/mcp-fixture.ts'
import { running } from './support/service-gateway.ts'
import { createHome, processAdminKey, startProcess } from './support/portico-process.ts'
import type { PorticoProcess } from './support/portico-process.ts'
import { until } from './support/processes.ts'

// Two processes are started in each test.
vi.setConfig({ testTimeout: 90_000 })

interface Shown {
  readonly id: string
  readonly state: string
  readonly instances: number
  readonly metrics: { readonly pid: number | null } | null
}

/** Calls the management API, `route` with its method before it, and gives the body of the answer. */
async function api<Body>(portico: PorticoProcess, route: string, body?: object): Promise<Body> {
  const [method = '', path = ''] = route.split(' ')
  const answer = await portico.ask(method, path, body === undefined ? {} : { body })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${route}: ${answer.status} ${text}`)
  return JSON.parse(text) as Body
}

const programOf = (command: object, fields: object = {}) => ({
  upstream: { kind: 'process', ...command },
  ...fields,
})

/** Kills Portico as a failing machine does, and waits until it is gone. */
async function killHard(portico: PorticoProcess): Promise<void> {
  portico.child.kill('SIGKILL')
  await portico.ended()
}

test('after a kill of Portico no child is left over from before, not even one that does not end with its stdin', async () => {
  await using home = await createHome()
  const first = await startProcess(home)
  const body = programOf(misbehaving('slow-call'), { name: 'slow', era: 'legacy' })
  const { id } = await api<Shown>(first, 'POST /api/services', body)
  const url = `${first.url}/mcp/slow`
  const headers = await beginSession(url, { key: processAdminKey })
  await using call = await openStream(url, headers, callTool(1, 'wait', { ms: 600_000 }))
  expect(call.response.status).toBe(200)
  const { metrics } = await api<Shown>(first, `GET /api/services/${id}`)
  const pids = [metrics?.pid ?? 0]
  await killHard(first)
  await using second = await startProcess(home)
  await until(() => running(pids) === 0)
  expect((await api<Shown>(second, `GET /api/services/${id}`)).state).toBe('idle')
})

test('after a restart 100 services are listed in under a second, from what is known of them and without a child', async () => {
  await using home = await createHome()
  const first = await startProcess(home)
  const names = Array.from({ length: 100 }, (_, index) => `svc-${index}`)
  const queue = names.values()
  const create = async () => {
    for (const name of queue) {
      const fields = { name, era: 'legacy' }
      const { id } = await api<Shown>(
        first,
        'POST /api/services',
        programOf(instantServer(), fields),
      )
      await api(first, `POST /api/services/${id}/refresh`)
    }
  }
  await Promise.all([create(), create(), create(), create()])
  await killHard(first)

  await using second = await startProcess(home)
  const readyAt = performance.now()
  const headers = await beginSession(`${second.url}/mcp`, { key: processAdminKey })
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const { text } = await post(`${second.url}/mcp`, list, headers)
  expect(performance.now() - readyAt).toBeLessThan(1_000)
  expect(text.split('"inputSchema"')).toHaveLength(101)
  const services = await api<Shown[]>(second, 'GET /api/services')
  expect(services.map(({ state }) => state)).toEqual(names.map(() => 'idle'))
})

test('a session from before a restart goes on at a shared service, for its own key alone', async () => {
  await using home = await createHome()
  const first = await startProcess(home)
  await api(
    first,
    'POST /api/services',
    programOf(misbehaving('counter'), { name: 'counter', era: 'legacy' }),
  )
  const { key } = await api<{ key: string }>(first, 'POST /api/keys', {
    name: 'other',
    scopes: ['services:use'],
  })
  const headers = await beginSession(`${first.url}/mcp/counter`, { key: processAdminKey })
  await killHard(first)

  await using second = await startProcess(home)
  const url = `${second.url}/mcp/counter`
  const theirs = { ...headers, authorization: `Bearer ${key}` }
  expect((await post(url, callTool(1, 'count'), theirs)).status).toBe(404)
  const answer = await post(url, callTool(1, 'count'), headers)
  expect(answer.text).toContain('\\"count\\":1')
})

test('a service that is always to run is started again after a kill of Portico', async () => {
  await using home = await createHome()
  const first = await startProcess(home)
  const body = programOf(misbehaving('counter'), { name: 'kept', era: 'legacy', start: 'always' })
  const { id } = await api<Shown>(first, 'POST /api/services', body)
  const isUp = async (portico: PorticoProcess) =>
    (await api<Shown>(portico, `GET /api/services/${id}`)).state === 'running'
  await until(() => isUp(first))
  const before = (await api<Shown>(first, `GET /api/services/${id}`)).metrics?.pid ?? 0
  await killHard(first)
  await using second = await startProcess(home)
  await until(() => isUp(second))
  await until(() => running([before]) === 0)
  const after = (await api<Shown>(second, `GET /api/services/${id}`)).metrics?.pid
  expect(after).not.toBe(before)
})
