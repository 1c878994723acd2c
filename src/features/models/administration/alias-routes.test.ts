import { expect, test } from 'vitest'
import { openModelManagement } from '../../../../test/support/model-management.ts'
import type { ModelManagement } from '../../../../test/support/model-management.ts'

async function addProvider(models: ModelManagement, name: string): Promise<string> {
  const body = { name, kind: 'openai', baseUrl: `https://${name}.example`, models: [`${name}-m`] }
  return (await models.ask('POST', '/api/providers', body)).json.id
}

test('an alias is callable at once, by targets named with id or name', async () => {
  await using models = await openModelManagement()
  const a = await addProvider(models, 'a')
  const b = await addProvider(models, 'b')
  const created = await models.ask('POST', '/api/aliases', {
    name: 'smart',
    targets: [
      { provider: a, model: 'x', priority: 1 },
      { provider: 'b', model: 'y', weight: 3 },
    ],
  })
  expect(created.status).toBe(201)
  expect(created.json).toMatchObject({
    name: 'smart',
    resolves: true,
    targets: [
      { providerId: a, provider: 'a', model: 'x', weight: 1, priority: 1 },
      { providerId: b, provider: 'b', model: 'y', weight: 3, priority: 0 },
    ],
  })
  const targets = models.catalogue.resolve('default', 'smart')?.targets
  expect(targets?.map(({ model }) => model)).toEqual(['y', 'x'])
  expect((await models.ask('GET', '/api/aliases')).json.aliases).toEqual([created.json])
})

test('the built-in provider can be a target', async () => {
  await using models = await openModelManagement()
  const targets = [{ provider: 'portico', model: 'portico/echo' }]
  await models.ask('POST', '/api/aliases', { name: 'gpt-4o', targets })
  expect(models.catalogue.resolve('default', 'gpt-4o')?.targets[0]?.provider.kind).toBe('builtin')
})

test('a target that does not exist is refused by its place', async () => {
  await using models = await openModelManagement()
  await addProvider(models, 'a')
  const answer = await models.ask('POST', '/api/aliases', {
    name: 'smart',
    targets: [
      { provider: 'a', model: 'x' },
      { provider: 'nobody', model: 'x' },
    ],
  })
  expect(answer.status).toBe(400)
  expect(answer.json.error.issues).toEqual([
    { path: 'targets.1.provider', message: 'there is no provider "nobody"' },
  ])
})

test('a provider of another workspace is no target', async () => {
  await using models = await openModelManagement()
  const foreign = await addProvider(models, 'a')
  models.as('manage', 'other')
  const targets = [{ provider: foreign, model: 'x' }]
  const answer = await models.ask('POST', '/api/aliases', { name: 'smart', targets })
  expect(answer.status).toBe(400)
})

test('only an alias that is a wildcard may have wildcards as targets, also after a change of name', async () => {
  await using models = await openModelManagement()
  await addProvider(models, 'a')
  const targets = [{ provider: 'a', model: 'vendor/*' }]
  expect((await models.ask('POST', '/api/aliases', { name: 'x', targets })).status).toBe(400)
  const { json } = await models.ask('POST', '/api/aliases', { name: 'x/*', targets })
  expect(models.catalogue.resolve('default', 'x/7')?.targets[0]?.model).toBe('vendor/7')
  expect((await models.ask('PATCH', `/api/aliases/${json.id}`, { name: 'x' })).status).toBe(400)
})

test('a change keeps what it does not mention, and is in the audit trail', async () => {
  await using models = await openModelManagement()
  await addProvider(models, 'a')
  const targets = [{ provider: 'a', model: 'x' }]
  const { json } = await models.ask('POST', '/api/aliases', { name: 'smart', targets })
  const changed = await models.ask('PATCH', `/api/aliases/${json.id}`, { name: 'smarter' })
  expect(changed.json.targets).toEqual(json.targets)
  expect(models.catalogue.resolve('default', 'smart')).toBeUndefined()
  expect(models.catalogue.resolve('default', 'smarter')).toBeDefined()
  expect((await models.ask('DELETE', `/api/aliases/${json.id}`)).status).toBe(204)
  expect(models.catalogue.resolve('default', 'smarter')).toBeUndefined()
  const audit = await models.store.db
    .selectFrom('audit')
    .select('action')
    .where('targetId', '=', json.id)
    .execute()
  expect(audit.map(({ action }) => action)).toEqual([
    'alias.create',
    'alias.update',
    'alias.delete',
  ])
})

test('an alias whose providers are all disabled is seen not to resolve', async () => {
  await using models = await openModelManagement()
  const a = await addProvider(models, 'a')
  const targets = [{ provider: 'a', model: 'x' }]
  const { json } = await models.ask('POST', '/api/aliases', { name: 'smart', targets })
  await models.ask('PATCH', `/api/providers/${a}`, { enabled: false })
  expect((await models.ask('GET', `/api/aliases/${json.id}`)).json.resolves).toBe(false)
  const report = await models.ask('GET', '/api/aliases/resolve?model=smart')
  expect(report.json.refusal).toEqual({
    code: 'model_not_found',
    message: 'The alias "smart" leads to no enabled provider.',
  })
})

test('S05 an alias of another workspace is not found', async () => {
  await using models = await openModelManagement()
  await addProvider(models, 'a')
  const targets = [{ provider: 'a', model: 'x' }]
  const { json } = await models.ask('POST', '/api/aliases', { name: 'smart', targets })
  models.as('manage', 'other')
  for (const method of ['GET', 'DELETE'] as const) {
    expect((await models.ask(method, `/api/aliases/${json.id}`)).status).toBe(404)
  }
  expect((await models.ask('PATCH', `/api/aliases/${json.id}`, { name: 'x' })).status).toBe(404)
  expect((await models.ask('GET', '/api/aliases')).json.aliases).toEqual([])
  expect(models.catalogue.resolve('other', 'smart')).toBeUndefined()
})

test('the dry run tells where a request would go', async () => {
  await using models = await openModelManagement()
  const a = await addProvider(models, 'a')
  const report = await models.ask('GET', '/api/aliases/resolve?model=a-m')
  expect(report.json).toEqual({
    model: 'a-m',
    allowed: true,
    via: 'model',
    targets: [{ providerId: a, provider: 'a', model: 'a-m', priority: 0, weight: 1, ready: true }],
    refusal: null,
  })
})

test('the dry run tells of another key of the workspace why it would be refused', async () => {
  await using models = await openModelManagement()
  await addProvider(models, 'a')
  models.as('manage')
  const report = await models.ask('GET', '/api/aliases/resolve?model=a-m&keyId=key_narrow')
  expect(report.json).toMatchObject({ allowed: false, refusal: { code: 'model_not_allowed' } })
  const foreign = await models.ask('GET', '/api/aliases/resolve?model=a-m&keyId=key_other')
  expect(foreign.status).toBe(404)
})

test('the dry run tells that everything is cooling down', async () => {
  await using models = await openModelManagement()
  const a = await addProvider(models, 'a')
  const provider = models.catalogue.provider('default', a)
  for (let failure = 0; failure < 3; failure += 1) {
    const credential = provider && models.cooldown.pickCredential(provider)
    if (credential) models.cooldown.broke(credential)
  }
  const report = await models.ask('GET', '/api/aliases/resolve?model=a-m')
  expect(report.json.refusal.code).toBe('no_healthy_endpoint')
  const shown = await models.ask('GET', `/api/providers/${a}`)
  expect(shown.json.health).toEqual({ state: 'cooling', retryInMs: 5000 })
})
