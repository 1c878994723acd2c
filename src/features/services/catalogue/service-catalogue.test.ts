import { describe, expect, test } from 'vitest'
import {
  fetchedWith,
  openServiceManagement,
  openServiceState,
} from '../../../../test/support/service-management.ts'
import type { ServiceManagement } from '../../../../test/support/service-management.ts'
import { engines } from '../../../../test/support/store.ts'
import type { ListKind } from './catalogue.ts'

const add = { name: 'add', description: 'Adds', inputSchema: { type: 'object' } }
const sub = { name: 'sub', description: 'Subtracts', annotations: { readOnlyHint: true } }

async function create(services: ServiceManagement, fields: object = {}): Promise<string> {
  const upstream = { kind: 'builtin', server: 'think' }
  const body = { name: 'calc', upstream, ...fields }
  const { json } = await services.ask('POST', '/api/services', { body })
  return json.id
}

function toolNames({ catalogue }: Pick<ServiceManagement, 'catalogue'>, id: string) {
  return catalogue.published(id)?.lists.tools.items.map(({ name }) => name)
}

describe.each(engines)('the catalogue on %s', (engine) => {
  test('what a service has is listed after a restart, before anything has started', async () => {
    await using services = await openServiceManagement(engine)
    const id = await create(services, { filter: { tools: { rename: { add: 'plus' } } } })
    const fetched = fetchedWith([add, sub], { resources: [{ uri: 'x://y', name: 'y' }] })
    const kinds = await services.catalogue.update(id, 'r1', fetched)
    expect([...kinds]).toEqual(['tools', 'resources'])
    const { catalogue } = await openServiceState(services.store)
    await using _closed = catalogue
    expect(catalogue.published(id)).toEqual(services.catalogue.published(id))
    expect(catalogue.published(id)).toMatchObject({ revision: 'r1', hello: fetched.hello })
    expect(toolNames({ catalogue }, id)).toEqual(['plus', 'sub'])
  })

  test('a quarantine outlives a restart, and so does an approval', async () => {
    await using services = await openServiceManagement(engine)
    const id = await create(services, { pin: true })
    await services.catalogue.update(id, 'r1', fetchedWith([add]))
    await services.catalogue.update(id, 'r1', fetchedWith([{ ...add, description: 'Evil' }, sub]))
    {
      const { catalogue } = await openServiceState(services.store)
      await using _closed = catalogue
      expect(toolNames({ catalogue }, id)).toEqual([])
      expect(catalogue.changes(id).map(({ name, status }) => [name, status])).toEqual([
        ['add', 'changed'],
        ['sub', 'new'],
      ])
    }
    const approved = await services.ask('POST', `/api/services/${id}/approve`, {
      body: { items: [{ kind: 'tools', name: 'sub' }] },
    })
    expect(approved.json).toEqual({ approved: 1 })
    const { catalogue } = await openServiceState(services.store)
    await using _closed = catalogue
    expect(toolNames({ catalogue }, id)).toEqual(['sub'])
  })
})

test('only lists that really differ are told of', async () => {
  await using services = await openServiceManagement()
  const id = await create(services)
  const heard: [string, ListKind[]][] = []
  services.catalogue.onChange((serviceId, kinds) => heard.push([serviceId, [...kinds]]))
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  await services.catalogue.update(id, 'r2', fetchedWith([add]))
  expect(services.catalogue.published(id)?.revision).toBe('r2')
  const prompts = [{ name: 'p' }]
  expect([...(await services.catalogue.update(id, 'r2', fetchedWith([add], { prompts })))]).toEqual(
    ['prompts'],
  )
  await services.ask('PATCH', '/api/services/calc', { body: { description: 'x' } })
  await services.ask('PATCH', '/api/services/calc', {
    body: { filter: { tools: { hide: ['add'] } } },
  })
  expect(heard).toEqual([
    [id, ['tools']],
    [id, ['prompts']],
    [id, ['tools']],
  ])
  expect(toolNames(services, id)).toEqual([])
})

test('S44 a definition that changed in any way is withheld, and its diff is shown', async () => {
  await using services = await openServiceManagement()
  const id = await create(services, { pin: true })
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  const variants = [
    { ...add, description: 'Adds\u200b' },
    { ...add, inputSchema: { type: 'object', properties: { x: {} } } },
    { ...add, annotations: { readOnlyHint: true } },
    { ...add, _meta: { x: 1 } },
  ]
  for (const variant of variants) {
    await services.catalogue.update(id, 'r1', fetchedWith([variant]))
    expect(toolNames(services, id)).toEqual([])
    expect(services.catalogue.isQuarantined(id, 'tools', 'add')).toBe(true)
  }
  await services.catalogue.update(id, 'r1', fetchedWith([variants[0] as object]))
  const { json } = await services.ask('GET', '/api/services/calc/changes')
  expect(json.changes).toMatchObject([{ kind: 'tools', name: 'add', status: 'changed' }])
  expect(json.changes[0].diff).toContain('+   "description": "Adds\\u{200b}",')
  const { inputSchema, name, description } = add
  await services.catalogue.update(id, 'r1', fetchedWith([{ inputSchema, description, name }]))
  expect(toolNames(services, id)).toEqual(['add'])
})

test('an approval is of what was seen, and is in the audit trail', async () => {
  await using services = await openServiceManagement()
  const id = await create(services, { pin: true })
  await services.catalogue.update(id, 'r1', fetchedWith([add, sub]))
  await services.catalogue.update(id, 'r1', fetchedWith([{ ...add, description: 'New' }]))
  const { json } = await services.ask('GET', '/api/services/calc/changes')
  const [{ hash }] = json.changes
  const approve = (body: object) => services.ask('POST', '/api/services/calc/approve', { body })
  await services.catalogue.update(id, 'r1', fetchedWith([{ ...add, description: 'Newer' }]))
  const seen = { items: [{ kind: 'tools', name: 'add', hash }] }
  expect((await approve(seen)).json.error.code).toBe('conflict')
  expect((await approve({ items: [{ kind: 'tools', name: 'x' }] })).status).toBe(404)
  expect((await services.ask('GET', '/api/services/calc')).json.pendingChanges).toBe(2)
  expect((await approve({ all: true })).json).toEqual({ approved: 2 })
  expect(services.catalogue.changes(id)).toEqual([])
  expect(toolNames(services, id)).toEqual(['add'])
  const audit = await services.store.db
    .selectFrom('audit')
    .selectAll()
    .where('action', '=', 'service.approve')
    .execute()
  expect(audit).toMatchObject([{ actor: 'key_default', targetId: id }])
})

test('pinning begins with what there is, and ends with everything shown', async () => {
  await using services = await openServiceManagement()
  const id = await create(services)
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  await services.ask('PATCH', '/api/services/calc', { body: { pin: true } })
  await services.catalogue.update(id, 'r1', fetchedWith([add, sub]))
  expect(toolNames(services, id)).toEqual(['add'])
  await services.ask('PATCH', '/api/services/calc', { body: { pin: false } })
  expect(toolNames(services, id)).toEqual(['add', 'sub'])
  expect(services.catalogue.isQuarantined(id, 'tools', 'sub')).toBe(false)
})

test('a withheld tool is known under its published name too, a hidden one is not', async () => {
  await using services = await openServiceManagement()
  const filter = { tools: { rename: { add: 'plus' }, hide: ['sub'] } }
  const id = await create(services, { pin: true, filter })
  await services.catalogue.update(id, 'r1', fetchedWith([]))
  await services.catalogue.update(id, 'r1', fetchedWith([add, sub]))
  const isQuarantined = (name: string) => services.catalogue.isQuarantined(id, 'tools', name)
  expect(['add', 'plus', 'sub', 'x'].map(isQuarantined)).toEqual([true, true, false, false])
})

test('the tree of tools shows what is hidden, withheld and renamed, with its cost', async () => {
  await using services = await openServiceManagement()
  const filter = { tools: { rename: { add: 'plus' }, hide: ['sub'] } }
  const id = await create(services, { pin: true, filter })
  await services.catalogue.update(id, 'r1', fetchedWith([add, sub]))
  await services.catalogue.update(id, 'r1', fetchedWith([add, sub, { name: 'new' }]))
  const { json } = await services.ask('GET', '/api/services/calc/tools')
  expect(json).toMatchObject({
    server: { era: 'legacy', info: { name: 'test' }, instructions: null },
    tools: [
      { name: 'plus', upstreamName: 'add', isHidden: false, isQuarantined: false },
      { name: 'sub', isHidden: true, isQuarantined: false, annotations: { readOnlyHint: true } },
      { name: 'new', isHidden: false, isQuarantined: true },
    ],
  })
  expect(json.tools[0].definition).toEqual({ ...add, name: 'plus' })
  expect(json.tokenCount).toBe(json.tools[0].tokenCount)
  const { json: row } = await services.ask('GET', '/api/services/calc')
  expect(row).toMatchObject({ toolCount: 1, tokenCount: json.tokenCount, pendingChanges: 1 })
})

test('what a service had goes with it', async () => {
  await using services = await openServiceManagement()
  const id = await create(services)
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  await services.ask('DELETE', '/api/services/calc')
  expect(services.catalogue.published(id)).toBeUndefined()
  expect(await services.store.db.selectFrom('serviceCatalogues').selectAll().execute()).toEqual([])
  expect((await services.catalogue.update(id, 'r1', fetchedWith([add]))).size).toBe(0)
})

test('a catalogue that cannot be stored is served all the same, and stored later', async () => {
  await using services = await openServiceManagement()
  const id = await create(services)
  const { schema } = services.store.db
  await schema.alterTable('serviceCatalogues').renameTo('away').execute()
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  expect(toolNames(services, id)).toEqual(['add'])
  await schema.alterTable('away').renameTo('serviceCatalogues').execute()
  await services.catalogue.update(id, 'r1', fetchedWith([add]))
  const { catalogue } = await openServiceState(services.store)
  await using _closed = catalogue
  expect(toolNames({ catalogue }, id)).toEqual(['add'])
})

test('100 services with 50 tools each are loaded and listed within a second', async () => {
  await using services = await openServiceManagement()
  const tools = Array.from({ length: 50 }, (_, at) => ({ ...add, name: `tool_${at}` }))
  const fetched = fetchedWith(tools)
  for (let at = 0; at < 100; at += 1) {
    const id = await create(services, { name: `service-${at}`, pin: at % 2 === 0 })
    await services.catalogue.update(id, 'r1', fetched)
  }
  const startedAt = performance.now()
  const { directory, catalogue } = await openServiceState(services.store)
  await using _closed = catalogue
  const listed = [...directory.all()].map(({ id }) => toolNames({ catalogue }, id)?.length)
  const list = await services.ask('GET', '/api/services')
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(listed).toEqual(Array.from({ length: 100 }, () => 50))
  expect(list.json).toHaveLength(100)
})
