import { expect, test } from 'vitest'
import { serveExchanges } from '../../../../test/support/exchange-server.ts'
import { openModelManagement } from '../../../../test/support/model-management.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Caller } from '../caller.ts'
import { answerModelList } from './model-list.ts'

/** Serves the list to a key that may call what `allows` says. */
async function openList(allows: (name: string) => boolean = () => true) {
  await using scope = new AsyncDisposableStack()
  const models = scope.use(await openModelManagement())
  const caller = { workspaceId: 'default', allowsModel: allows } as Caller
  const server = scope.use(
    await serveExchanges((exchange) => {
      const rest = exchange.path.slice('/v1/'.length)
      try {
        answerModelList({ catalogue: models.catalogue, caller, exchange, rest })
      } catch (error) {
        exchange.res.writeHead(error instanceof AppError ? error.status : 500).end()
      }
    }),
  )
  const owned = scope.move()
  return {
    models,
    get: (path: string, headers: Record<string, string> = {}) =>
      fetch(`${server.url}/v1/${path}`, { headers }),
    async ids() {
      const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as ModelData
      return data.map(({ id }) => id)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface ModelData {
  readonly data: readonly { readonly id: string }[]
}

const provider = {
  name: 'vendor',
  kind: 'openai',
  baseUrl: 'https://vendor.example',
  models: ['b-model', 'fast@org/a-model', 'meta/*'],
}

test('the list has every name that can be called, aliases included, verbatim, and no wildcards', async () => {
  await using list = await openList()
  await list.models.ask('POST', '/api/providers', provider)
  const targets = [{ provider: 'vendor', model: 'x' }]
  await list.models.ask('POST', '/api/aliases', { name: 'Smart One', targets })
  await list.models.ask('POST', '/api/aliases', { name: 'any/*', targets })
  expect(await list.ids()).toEqual([
    'Smart One',
    'b-model',
    'fast',
    'org/a-model',
    'portico/clock',
    'portico/echo',
  ])
})

test('the list follows the allow-list of the key, by the names that clients send', async () => {
  await using list = await openList((name) => name === 'fast')
  await list.models.ask('POST', '/api/providers', provider)
  expect(await list.ids()).toEqual(['fast'])
})

test('what leads to no enabled provider is not in the list', async () => {
  await using list = await openList()
  await list.models.ask('POST', '/api/providers', { ...provider, enabled: false })
  const targets = [{ provider: 'vendor', model: 'x' }]
  await list.models.ask('POST', '/api/aliases', { name: 'smart', targets })
  expect(await list.ids()).toEqual(['portico/clock', 'portico/echo'])
})

test('models have OpenAI’s shape', async () => {
  await using list = await openList((name) => name === 'b-model')
  await list.models.ask('POST', '/api/providers', provider)
  const created = Math.floor(list.models.clock.now() / 1000)
  const model = { id: 'b-model', object: 'model', created, owned_by: 'vendor' }
  expect(await (await list.get('models')).json()).toEqual({ object: 'list', data: [model] })
  expect(await (await list.get('models/b-model')).json()).toEqual(model)
})

test('clients that send anthropic-version get Anthropic’s shape', async () => {
  await using list = await openList((name) => name === 'b-model')
  await list.models.ask('POST', '/api/providers', provider)
  const headers = { 'anthropic-version': '2023-06-01' }
  const model = {
    type: 'model',
    id: 'b-model',
    display_name: 'b-model',
    created_at: new Date(list.models.clock.now()).toISOString(),
  }
  expect(await (await list.get('models', headers)).json()).toEqual({
    data: [model],
    has_more: false,
    first_id: 'b-model',
    last_id: 'b-model',
  })
  expect(await (await list.get('models/b-model', headers)).json()).toEqual(model)
})

test('one model is found with its slash encoded or not, and where only a wildcard matches', async () => {
  await using list = await openList()
  await list.models.ask('POST', '/api/providers', provider)
  for (const path of ['org%2Fa-model', 'org/a-model', 'meta/llama-3']) {
    expect((await list.get(`models/${path}`)).status).toBe(200)
  }
})

test('a model that is not there, or not for this key, or only a guess, is not found alike', async () => {
  await using list = await openList((name) => name !== 'b-model')
  await list.models.ask('POST', '/api/providers', provider)
  list.models.config.models = { ...list.models.config.models, anyProviderFallback: true }
  await list.models.catalogue.reloadAll()
  for (const path of ['nothing', 'b-model', '%ff']) {
    expect((await list.get(`models/${path}`)).status).toBe(404)
  }
})
