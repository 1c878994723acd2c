import { pino } from 'pino'
import { expect, test } from 'vitest'
import { openModelManagement } from '../../../../test/support/model-management.ts'
import { createSecretBox } from '../../../store/secret-box.ts'
import { openCatalogue } from './catalogue.ts'
import type { Credential, Provider } from './provider.ts'

const provider = {
  name: 'vendor',
  kind: 'openai',
  baseUrl: 'https://vendor.example/v1',
  apiKey: 'sk-vendor-credential',
  models: ['m'],
}

test('what was stored is there after a restart', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', provider)
  const targets = [{ provider: 'vendor', model: 'x' }]
  await models.ask('POST', '/api/aliases', { name: 'smart', targets })
  const deps = { ...models, log: pino({ level: 'silent' }) }
  const again = await openCatalogue(deps, () => models.config.models)
  const [target] = again.resolve('default', 'smart')?.targets ?? []
  expect(target).toMatchObject({ model: 'x', provider: { id: json.id } })
  expect(target?.provider.credentials[0]?.secret?.reveal()).toBe(provider.apiKey)
})

test('a provider whose master key is gone is left out, and the others work', async () => {
  await using models = await openModelManagement()
  await models.ask('POST', '/api/providers', provider)
  const keyless = { name: 'open', kind: 'openai', baseUrl: 'https://open.example', models: ['o'] }
  await models.ask('POST', '/api/providers', keyless)
  const secretBox = createSecretBox([new Uint8Array(32).fill(9)])
  const lines: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
  const deps = { store: models.store, secretBox, log }
  const catalogue = await openCatalogue(deps, () => models.config.models)
  expect(catalogue.resolve('default', 'm')).toBeUndefined()
  expect(catalogue.resolve('default', 'o')).toBeDefined()
  expect(lines.join()).toContain('provider cannot be read')
})

test('a cool-down lives on when the provider is changed, and ends when it moves', async () => {
  await using models = await openModelManagement()
  const { json } = await models.ask('POST', '/api/providers', provider)
  const live = (): Provider => models.catalogue.provider('default', json.id) as Provider
  for (let failure = 0; failure < 3; failure += 1) {
    models.cooldown.broke(models.cooldown.pickCredential(live()) as Credential)
  }
  const url = `/api/providers/${json.id}`
  await models.ask('PATCH', url, { weight: 2 })
  expect(models.cooldown.isReady(live())).toBe(false)
  await models.ask('PATCH', url, { baseUrl: 'https://elsewhere.example', apiKey: 'new' })
  expect(models.cooldown.isReady(live())).toBe(true)
})

test('workspaces do not see each other’s models', async () => {
  await using models = await openModelManagement()
  await models.ask('POST', '/api/providers', provider)
  expect(models.catalogue.resolve('other', 'm')).toBeUndefined()
  expect(models.catalogue.provider('other', 'vendor')).toBeUndefined()
  expect(models.catalogue.resolve('other', 'portico/echo')).toBeDefined()
})

test('a change of the configuration is in force after reloading', async () => {
  await using models = await openModelManagement()
  await models.ask('POST', '/api/providers', provider)
  const { timeouts } = models.config.models
  models.config.models = {
    ...models.config.models,
    anyProviderFallback: true,
    builtinProvider: false,
    timeouts: { ...timeouts, idleMs: 4321 },
  }
  await models.catalogue.reloadAll()
  const fallback = models.catalogue.resolve('default', 'unlisted')
  expect(fallback?.targets[0]?.provider.timeouts.idleMs).toBe(4321)
  expect(models.catalogue.resolve('other', 'portico/echo')).toBeUndefined()
})

test('of many changes at once none is lost from memory', async () => {
  await using models = await openModelManagement()
  const names = Array.from({ length: 12 }, (_, index) => `m${index}`)
  await Promise.all(
    names.map((name) =>
      models.ask('POST', '/api/providers', {
        name,
        kind: 'openai',
        baseUrl: 'https://vendor.example',
        models: [name],
      }),
    ),
  )
  const missing = names.filter((name) => models.catalogue.resolve('default', name) === undefined)
  expect(missing).toEqual([])
})

test('whoever listens hears which workspace changed, until it stops', async () => {
  await using models = await openModelManagement()
  const heard: string[] = []
  const stop = models.catalogue.onChange((workspaceId) => heard.push(workspaceId))
  await models.ask('POST', '/api/providers', provider)
  await models.ask('POST', '/api/providers?workspace=other', provider)
  stop()
  await models.ask('POST', '/api/providers', { ...provider, name: 'third' })
  expect(heard).toEqual(['default', 'other'])
})

test('when a change cannot be stored, nothing of it is in force', async () => {
  await using models = await openModelManagement()
  const change = models.change('default', { actor: 'a', requestId: 'r', ip: 'i' }, async (trx) => {
    await trx.updateTable('workspaces').set({ name: 'changed' }).execute()
    throw new Error('disk on fire')
  })
  await expect(change).rejects.toThrow('disk on fire')
  const rows = await models.store.db.selectFrom('workspaces').select('name').execute()
  expect(rows.map(({ name }) => name)).not.toContain('changed')
  expect(await models.store.db.selectFrom('audit').selectAll().execute()).toEqual([])
})
