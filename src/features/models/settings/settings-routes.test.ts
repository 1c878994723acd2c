import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { serveExchanges } from '../../../../test/support/exchange-server.ts'
import { adminRequester, openTestKeys } from '../../../../test/support/keys.ts'
import { openModelManagement } from '../../../../test/support/model-management.ts'
import { hasScope } from '../../../lib/principal.ts'
import type { EndpointList } from './settings-list.ts'
import { createSettings } from './settings-routes.ts'

const item = {
  id: '1700000000000-aaaa',
  setting: 'OpenAI|https://api.openai.example/v1|sk-upstream-secret-0042',
  name: 'OpenAI',
  endpoint: 'https://api.openai.example/v1',
  apiKey: 'sk-upstream-secret-0042',
  enabled: true,
  models: ['gpt-4o', ' fast@gpt-4o-mini ', '', 'gpt-4o'],
}
const key = { id: 'doro-7e9fb0a2-1111', name: 'for Bob', parentId: '', enabled: true }

/** What the contract answers to data that is not valid. */
interface Refusal {
  readonly error: string
  readonly details: readonly { readonly path: string; readonly message: string }[]
}

async function refusalOf(answer: Response): Promise<Refusal> {
  expect(answer.status).toBe(400)
  return (await answer.json()) as Refusal
}

/** The settings routes on real keys and a real store; `listId` is a manage key of `default`. */
async function openSettings({ open = false } = {}) {
  await using scope = new AsyncDisposableStack()
  const models = scope.use(await openModelManagement())
  const keys = scope.use(await openTestKeys(models.store, { clock: models.clock }))
  const { text: listId, key: owner } = await keys.issue({ name: 'settings', scopes: ['manage'] })
  const isUsable = (keyId: string): boolean => {
    const found = keys.findById(keyId)
    return found?.standing(models.clock.now()) === 'usable' && hasScope(found, 'manage')
  }
  const settings = scope.use(
    createSettings({
      ...models,
      log: pino({ level: 'silent' }),
      keys: keys.textKeys,
      access: {
        find: (_exchange, text) => {
          const found = keys.findByText(text)
          return found && isUsable(found.keyId) ? found : undefined
        },
        create: async (_exchange, text) => (open ? keys.textKeys.openWorkspace(text) : undefined),
        isAllowed: ({ keyId }) => isUsable(keyId),
      },
    }),
  )
  scope.defer(keys.onChange((workspaceId) => settings.keysChanged(workspaceId)))
  const server = scope.use(
    await serveExchanges((exchange) => {
      if (exchange.path === '/not-found') settings.handleNotFound(exchange)
      else void settings.handle(exchange, exchange.path.slice(1))
    }),
  )
  const owned = scope.move()
  return {
    models,
    keys,
    owner,
    listId,
    url: `${server.url}/${listId}`,
    base: server.url,
    post: (type: string, body: unknown, id = listId) =>
      fetch(`${server.url}/${id}?type=${type}`, { method: 'POST', body: JSON.stringify(body) }),
    list: async (id = listId) =>
      (await (await fetch(`${server.url}/${id}`)).json()) as EndpointList,
    /** The lists that a stream brings, as they come. */
    async *stream(signal: AbortSignal) {
      const headers = { accept: 'text/event-stream' }
      const response = await fetch(`${server.url}/${listId}`, { headers, signal })
      expect(response.headers.get('content-type')).toContain('text/event-stream')
      let rest = ''
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        rest += chunk
        const events = rest.split('\n\n')
        rest = events.pop() ?? ''
        for (const event of events) {
          if (event.startsWith('data: ')) yield JSON.parse(event.slice('data: '.length))
        }
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('a posted item is a provider at once, and is read back with its key masked', async () => {
  await using settings = await openSettings()
  const posted = await settings.post('item', [item])
  expect([posted.status, await posted.json()]).toEqual([200, { ok: true }])
  const answer = await fetch(settings.url)
  expect(answer.headers.get('x-list-load-time')).toMatch(/^\d+$/)
  const now = settings.models.clock.now()
  expect(await answer.json()).toEqual({
    keys: [],
    items: [
      {
        id: item.id,
        versionstamp: String(now).padStart(20, '0'),
        setting: 'OpenAI|https://api.openai.example/v1|…0042',
        name: 'OpenAI',
        endpoint: 'https://api.openai.example/v1',
        apiKey: '…0042',
        models: ['gpt-4o', 'fast@gpt-4o-mini'],
        enabled: true,
        createdAt: now,
        updatedAt: now,
      },
    ],
  })
  const [target] = settings.models.catalogue.resolve('default', 'fast')?.targets ?? []
  expect(target?.provider.credentials[0]?.secret?.reveal()).toBe(item.apiKey)
})

test('an item that comes back with its mask keeps its credential', async () => {
  await using settings = await openSettings()
  await settings.post('item', [item])
  const changed = { ...item, apiKey: '…0042', name: 'Renamed', enabled: false }
  expect((await settings.post('item', [changed])).status).toBe(200)
  const [provider] = [...settings.models.catalogue.workspace('default').providers.values()].slice(1)
  expect(provider).toMatchObject({ id: item.id, name: 'Renamed', enabled: false })
  expect(provider?.credentials[0]?.secret?.reveal()).toBe(item.apiKey)
})

test('an item that comes back with its mask and another host is refused', async () => {
  await using settings = await openSettings()
  await settings.post('item', [item])
  const moved = { ...item, apiKey: '…0042', endpoint: 'https://evil.example' }
  const answer = await settings.post('item', [moved])
  expect((await refusalOf(answer)).error).toBe('Invalid data')
  expect((await settings.list()).items[0]?.endpoint).toBe(item.endpoint)
})

test('a mask that belongs to nothing is no key', async () => {
  await using settings = await openSettings()
  const answer = await settings.post('item', [{ ...item, apiKey: '…0042' }])
  expect((await refusalOf(answer)).details[0]?.path).toBe('0.apiKey')
})

test('an empty setting deletes the item', async () => {
  await using settings = await openSettings()
  await settings.post('item', [item])
  const gone = { ...item, setting: '', name: '', endpoint: '', apiKey: '' }
  expect((await settings.post('item', [gone, { ...gone, id: 'never-was' }])).status).toBe(200)
  expect((await settings.list()).items).toEqual([])
  expect(settings.models.catalogue.resolve('default', 'gpt-4o')).toBeUndefined()
})

test('items may be called alike and are read back as they were called', async () => {
  await using settings = await openSettings()
  const names = ['same', 'same', 'portico']
  const items = names.map((name, index) => ({ ...item, id: `${index}-x`, name }))
  expect((await settings.post('item', items)).status).toBe(200)
  const list = await settings.list()
  expect(list.items.map(({ id, name }) => `${id} ${name}`)).toEqual([
    '2-x portico',
    '1-x same',
    '0-x same',
  ])
})

test('Q21 data that is not valid answers 400 and stores nothing of the whole POST', async () => {
  await using settings = await openSettings()
  const bodies = [
    [item, { ...item, id: 'second', enabled: 'yes' }],
    [item, { ...item, id: 'second', endpoint: 'not a url' }],
    [item, { ...item, id: 'second', apiKey: 'sk-\r\nx: y' }],
    { not: 'an array' },
  ]
  for (const body of bodies) {
    const answer = await settings.post('item', body)
    expect(await refusalOf(answer)).toMatchObject({ error: 'Invalid data', details: [{}] })
  }
  const notJson = await fetch(`${settings.url}?type=item`, { method: 'POST', body: '[{' })
  expect(notJson.status).toBe(400)
  expect((await settings.list()).items).toEqual([])
})

test('a private endpoint is refused with the way to allow it', async () => {
  await using settings = await openSettings()
  const answer = await settings.post('item', [{ ...item, endpoint: 'http://127.0.0.1:11434' }])
  const [detail] = (await refusalOf(answer)).details
  expect(detail?.path).toBe('0.endpoint')
  expect(detail?.message).toContain('allowPrivate')
})

test('a private endpoint that was allowed before stays so for the same host and port', async () => {
  await using settings = await openSettings()
  const { json } = await settings.models.ask('POST', '/api/providers', {
    name: 'Ollama',
    kind: 'ollama',
    baseUrl: 'http://127.0.0.1:11434',
    allowPrivate: true,
  })
  const kept = { ...item, id: json.id, endpoint: 'http://127.0.0.1:11434/v1', apiKey: '' }
  expect((await settings.post('item', [kept])).status).toBe(200)
  const moved = await settings.post('item', [{ ...kept, endpoint: 'http://127.0.0.1:3437' }])
  expect(moved.status).toBe(400)
})

test('S05 the id of another workspace’s provider is not available, and the provider stays as it is', async () => {
  await using settings = await openSettings()
  settings.models.as('manage', 'other')
  const { json } = await settings.models.ask('POST', '/api/providers', {
    name: 'theirs',
    kind: 'openai',
    baseUrl: 'https://theirs.example',
  })
  const answer = await settings.post('item', [{ ...item, id: json.id, setting: '' }])
  expect(answer.status).toBe(400)
  const shown = await settings.models.ask('GET', `/api/providers/${json.id}`)
  expect(shown.json).toEqual(json)
})

test('keys are made, listed, switched off and deleted', async () => {
  await using settings = await openSettings()
  expect((await settings.post('key', [key])).status).toBe(200)
  const [listed] = (await settings.list()).keys
  expect(listed).toMatchObject({ ...key, parentId: settings.listId })
  expect(settings.keys.findByText(key.id)?.standing(Date.now())).toBe('usable')
  await settings.post('key', [{ ...key, enabled: false }])
  expect(settings.keys.findByText(key.id)?.standing(Date.now())).toBe('disabled')
  expect((await settings.list()).keys).toHaveLength(1)
  await settings.post('key', [{ ...key, name: '' }])
  expect((await settings.list()).keys).toEqual([])
})

test('any other type is invalid', async () => {
  await using settings = await openSettings()
  const answer = await settings.post('other', [])
  expect([answer.status, await answer.json()]).toEqual([400, { error: 'Invalid type' }])
})

test('an unknown list id, and a key that may not manage, lead to the page that says so', async () => {
  await using settings = await openSettings()
  const { text } = await settings.keys.issue({ name: 'guest' })
  for (const id of ['unknown', text]) {
    const answer = await fetch(`${settings.base}/${id}`, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/not-found'])
    const refused = await settings.post('item', [item], id)
    expect(refused.url).toContain('/not-found')
  }
  const page = await fetch(`${settings.base}/not-found`)
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
})

test('in open mode an unknown list id is the settings of a workspace of its own', async () => {
  await using settings = await openSettings({ open: true })
  const listId = '4Zx9QmKpVt7RsWbYhGdFcN'
  expect((await settings.post('item', [item], listId)).status).toBe(200)
  expect((await settings.list(listId)).items).toHaveLength(1)
  expect((await settings.list()).items).toEqual([])
})

test('other methods are refused', async () => {
  await using settings = await openSettings()
  const answer = await fetch(settings.url, { method: 'DELETE' })
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
})

test('a body above 1 MiB is refused', async () => {
  await using settings = await openSettings()
  const answer = await settings.post('item', [{ ...item, name: 'x'.repeat(1024 * 1024) }])
  expect(answer.status).toBe(413)
})

test('a stream brings the list at once and after every change, of items and of keys', async () => {
  await using settings = await openSettings()
  const leaving = new AbortController()
  const lists = settings.stream(leaving.signal)
  expect((await lists.next()).value).toEqual({ keys: [], items: [] })
  await settings.post('item', [item])
  expect((await lists.next()).value.items).toMatchObject([{ id: item.id }])
  await settings.post('key', [key])
  expect((await lists.next()).value.keys).toMatchObject([{ id: key.id }])
  leaving.abort()
})

test('S11 a stream ends when its key is revoked', async () => {
  await using settings = await openSettings()
  const lists = settings.stream(new AbortController().signal)
  await lists.next()
  await settings.keys.administration.remove(adminRequester, settings.owner.keyId)
  expect((await lists.next()).done).toBe(true)
})

test('streams of one workspace are bounded, and a place is free again when a reader leaves', async () => {
  await using settings = await openSettings()
  const leaving = new AbortController()
  const headers = { accept: 'text/event-stream' }
  const open = (): Promise<Response> => fetch(settings.url, { headers, signal: leaving.signal })
  const readers: Response[] = []
  for (let count = 0; count < 32; count += 1) readers.push(await open())
  expect((await fetch(settings.url, { headers })).status).toBe(503)
  // Held until here: a response that nobody holds is collected, and its stream with it.
  expect(readers.map(({ status }) => status)).toEqual(readers.map(() => 200))
  leaving.abort()
  await vi.waitFor(async () => {
    const again = await fetch(settings.url, { headers })
    await again.body?.cancel()
    expect(again.status).toBe(200)
  })
})
