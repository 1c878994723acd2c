import { afterAll, beforeAll, expect, test } from 'vitest'
import { startPortico } from './support/portico.ts'
import type { Portico } from './support/portico.ts'
import { startUpstream } from './support/upstream.ts'
import type { Upstream } from './support/upstream.ts'

/** What `GET /{listId}` answers, of Doroseek's own data model. */
interface EndpointList {
  readonly keys: { id: string; name: string; enabled: boolean; parentId: string }[]
  readonly items: { id: string; name: string; models: string[]; apiKey: string }[]
}

let portico: Portico
let upstream: Upstream
let listId: string
let providerId: string

beforeAll(async () => {
  upstream = await startUpstream()
  portico = await startPortico()
  const made = await portico.createKey({ name: 'list', scopes: ['models:use', 'manage'] })
  listId = made.key
  // Settings alone cannot open the way to a private address; an administrator has to have done so.
  providerId = (await portico.addProvider(upstream, { models: [] })).id
})

afterAll(async () => {
  await portico[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

test('a key made in the settings works on /api in both of its headers, and an alias sends the real model', async () => {
  await post('item', [item({ models: ['mine@real-model', 'm'] })])
  const key = 'doro-6f9619ff-8b86-4011-b42d-00c04fc964ff'
  await post('key', [{ id: key, name: 'shared', parentId: '', enabled: true }])

  expect(await chatWith({ apiKey: key }, 'mine')).toBe(200)
  expect(upstream.requests.at(-1)?.json()['model']).toBe('real-model')
  expect(upstream.requests.at(-1)?.header('authorization')).toBe('Bearer sk-of-the-item')
  expect(await chatWith({ authorization: `Bearer ${key}` }, 'real-model')).toBe(200)
  expect(await chatWith({ authorization: `Bearer ${listId}` }, 'm')).toBe(200)

  const list = await read()
  expect(list.keys).toMatchObject([{ id: key, name: 'shared', enabled: true, parentId: listId }])
  expect(list.items).toMatchObject([{ name: 'acme', models: ['mine@real-model', 'm'] }])
  expect(JSON.stringify(list)).not.toContain('sk-of-the-item')

  await post('key', [{ id: key, name: 'shared', parentId: '', enabled: false }])
  expect(await chatWith({ apiKey: key }, 'mine')).toBe(401)
  expect((await read()).keys).toMatchObject([{ id: key, enabled: false }])
})

test('a reader of the event stream gets the list at once and again after each change', async () => {
  const stop = new AbortController()
  const response = await fetch(`${portico.url}/${listId}`, {
    headers: { accept: 'text/event-stream' },
    signal: stop.signal,
  })
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const events = listEvents(response)
  const before = (await events.next()).value as EndpointList
  const endpoint = 'https://api.example/v1'
  await post('item', [item({ id: '2-added', name: 'added', endpoint, models: ['extra'] })])
  const after = (await events.next()).value as EndpointList
  expect(after.items.length).toBe(before.items.length + 1)
  stop.abort()
})

test('what is not valid is refused in the words of the contract, and nothing is stored', async () => {
  const before = await read()
  const other = await portico.send('POST', `/${listId}?type=other`, { body: [] })
  expect([other.status, other.json()]).toEqual([400, { error: 'Invalid type' }])
  const bad = await portico.send('POST', `/${listId}?type=item`, { body: [{ id: 1 }] })
  expect([bad.status, bad.json()]).toEqual([
    400,
    { error: 'Invalid data', details: expect.any(Array) },
  ])
  expect(await read()).toEqual(before)
})

test('an unknown list id leads to /not-found, and so does a key that may not manage', async () => {
  const plain = await portico.createKey()
  const unknown = await portico.send('GET', '/3yZe7dWmMvTzNvC8g6fYqL')
  expect([unknown.status, unknown.headers['location']]).toEqual([302, '/not-found'])
  const weak = await portico.send('GET', `/${plain.key}`)
  expect(weak.status).toBe(403)
  const page = await portico.send('GET', '/not-found')
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
})

test('a browser that opens the settings is sent to the dashboard, without the key', async () => {
  const answer = await portico.send('GET', `/${listId}?x=1`, {
    headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
  })
  expect([answer.status, answer.headers['location']]).toEqual([303, portico.dashboardUrl])
  expect(answer.headers['referrer-policy']).toBe('no-referrer')
  expect(JSON.stringify(answer.headers) + answer.text).not.toContain(listId)
  expect(portico.logged).not.toContain(listId)
})

test('in open mode an unknown list id makes a workspace of its own; which nobody else sees', async () => {
  await using open = await startPortico({ 'workspaces.open': true })
  const mine = '3yZe7dWmMvTzNvC8g6fYqL'
  const theirs = '9pQe7dWmMvTzNvC8g6fYqK'
  const first = await open.send('GET', `/${mine}`)
  expect([first.status, first.json()]).toEqual([200, { keys: [], items: [] }])
  const inside = await open.send('POST', `/${mine}?type=item`, { body: [item({ id: '1-a' })] })
  expect(inside.status).toBe(400)
  expect(inside.text).toContain('The destination may not be reached.')
  const outside = [item({ id: '1-a', endpoint: 'https://api.example/v1' })]
  await open.send('POST', `/${mine}?type=item`, { body: outside })
  expect((await open.send('GET', `/${mine}`)).json<EndpointList>().items).toHaveLength(1)
  expect((await open.send('GET', `/${theirs}`)).json<EndpointList>().items).toHaveLength(0)
})

function item(fields: object = {}): object {
  return {
    id: providerId,
    setting: `acme|${upstream.url}/v1|sk-of-the-item`,
    name: 'acme',
    endpoint: `${upstream.url}/v1`,
    apiKey: 'sk-of-the-item',
    enabled: true,
    models: [],
    ...fields,
  }
}

async function post(type: 'item' | 'key', body: object[]): Promise<void> {
  const answer = await portico.send('POST', `/${listId}?type=${type}`, { body })
  expect([answer.status, answer.text]).toEqual([200, '{"ok":true}'])
}

async function read(): Promise<EndpointList> {
  return (await portico.send('GET', `/${listId}`)).json<EndpointList>()
}

async function chatWith(headers: Record<string, string>, model: string): Promise<number> {
  const body = { model, messages: [] }
  return (await portico.send('POST', '/api/chat/completions', { headers, body })).status
}

async function* listEvents(response: Response): AsyncGenerator<EndpointList> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const line of events) {
      if (line.startsWith('data: ')) yield JSON.parse(line.slice(6)) as EndpointList
    }
  }
}
