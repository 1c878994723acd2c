import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { serveHttp } from './support/mcp-servers.ts'
import { doneLine, openOutspoken } from './support/outspoken.ts'
import { startPortico, type Portico } from './support/portico.ts'

/** A WebSocket to the outspoken server, on which one request is made after the other. */
async function connect({ port }: Portico, key: string, path = 'outspoken') {
  const url = `ws://127.0.0.1:${port}/mcp/${path}`
  const socket = new WebSocket(url, ['mcp'], { headers: { 'x-api-key': key } })
  await once(socket, 'open')
  const answers = new Map<number, (text: string) => void>()
  const heard: string[] = []
  socket.on('message', (data: Buffer) => {
    const text = data.toString()
    const answered = answers.get((JSON.parse(text) as { id: number }).id)
    if (answered === undefined) heard.push(text)
    else answered(text)
  })
  let id = 0
  return {
    /** What answers nothing. */
    heard,
    ask(method: string, params: object = {}): Promise<string> {
      const { promise, resolve } = Promise.withResolvers<string>()
      id += 1
      answers.set(id, resolve)
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
      return promise
    },
    [Symbol.dispose]: () => socket.terminate(),
  }
}

const say = { name: 'say', arguments: { lines: [doneLine] } }

test('S05 a service that is disabled or deleted serves nobody who is connected to it already', async () => {
  await using outspoken = await openOutspoken()
  const { portico, key, serviceId } = outspoken
  using client = await connect(portico, key)
  expect(await client.ask('tools/call', say)).toContain('"done":true')
  await portico.api('PATCH', `/api/services/${serviceId}`, { enabled: false })
  for (const method of ['tools/call', 'tools/list', 'resources/subscribe']) {
    expect(await client.ask(method, { ...say, uri: 'memo:none' })).toContain('"error"')
  }
  const disabled = await portico.api('GET', `/api/services/${serviceId}`)
  expect(disabled).toMatchObject({ state: 'disabled', instances: 0 })
  await portico.api('PATCH', `/api/services/${serviceId}`, { enabled: true })
  expect(await client.ask('tools/call', say)).toContain('"done":true')
  await portico.api('DELETE', `/api/services/${serviceId}`)
  expect(await client.ask('tools/call', say)).toContain('"error"')
})

test('a key that may not use a service any more cannot go on with it over an open connection', async () => {
  await using outspoken = await openOutspoken()
  const { portico } = outspoken
  const scopes = ['services:use']
  const { id, key } = await portico.createKey({ scopes, allowedServices: ['outspoken'] })
  using client = await connect(portico, key)
  expect(await client.ask('tools/call', say)).toContain('"done":true')
  await portico.api('PATCH', `/api/keys/${id}`, { allowedServices: ['another'] })
  for (const method of ['tools/call', 'tools/list', 'resources/read', 'ping']) {
    expect(await client.ask(method, { ...say, uri: 'memo:none' })).toContain('"error"')
  }
})

test('S05 what changes in one workspace is not noticed in another', async () => {
  await using portico = await startPortico()
  const { id: workspaceId } = await portico.api<{ id: string }>('POST', '/api/workspaces', {
    name: 'other',
  })
  const [own, other] = [
    await portico.createKey({ scopes: ['services:use'] }),
    await portico.createKey({ scopes: ['services:use'], workspaceId }),
  ]
  using near = await connect(portico, own.key, 'ws')
  using far = await connect(portico, other.key, 'ws')
  await Promise.all([near.ask('initialize'), far.ask('initialize')])
  const upstream = { kind: 'builtin', server: 'think' }
  await portico.api('POST', '/api/services', { name: 'another', upstream })
  await expect.poll(() => near.heard.join()).toContain('tools/list_changed')
  await far.ask('ping')
  expect(far.heard).toEqual([])
})

test('S40 what a shared program says about the calls of one client is not heard by another', async () => {
  await using outspoken = await openOutspoken()
  const { portico } = outspoken
  const other = await portico.createKey({ scopes: ['services:use'] })
  using listening = await connect(portico, other.key)
  await listening.ask('initialize')
  await listening.ask('tools/call', say)
  const hanging = new AbortController()
  const capabilities = {}
  const { signal } = hanging
  const hung = outspoken.callModern({ name: 'hang', capabilities, signal }).catch(() => {})
  await expect
    .poll(() => portico.api('GET', `/api/services/${outspoken.serviceId}`))
    .toMatchObject({ callsRunning: 1 })
  const message = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"private"}}'
  await outspoken.callModern({ lines: [message, doneLine], capabilities })
  await listening.ask('ping')
  expect(listening.heard.join()).not.toContain('private')
  hanging.abort()
  await hung
})

test('S73 what a program prints when it fails is for those who manage it, not for those who call it', async () => {
  const secret = 'canary-environment-5Kd8'
  const env = { SECRET: { secret } }
  await using outspoken = await openOutspoken({ upstream: { env } })
  const { portico, key, serviceId } = outspoken
  await outspoken.callModern({ lines: [doneLine] })
  const seen: string[] = []
  for (let count = 0; count < 12; count += 1) {
    seen.push((await outspoken.callModern({ name: 'fail' })).text)
    seen.push((await outspoken.callPlainly({ name: 'fail' })).text)
  }
  seen.push((await portico.send('GET', '/mcp/outspoken/health', { key })).text)
  expect(seen.filter((text) => text.includes(secret))).toEqual([])
  const { text } = await portico.send('GET', `/api/services/${serviceId}/logs`, {
    key: portico.adminKey,
  })
  expect(text).toContain(`cannot use ${secret}`)
})

test('S46 what a server lists for one key, with the value of that key, is shown to no other', async () => {
  const env = { SECRET: { perUser: true, description: 'whose memo it is' } }
  await using outspoken = await openOutspoken({ upstream: { env } })
  const { portico, key } = outspoken
  const other = await portico.createKey({ scopes: ['services:use'] })
  const list = async (asking: string) => {
    const headers = { accept: 'application/json' }
    const body = { jsonrpc: '2.0', id: 1, method: 'resources/list' }
    const sent = { key: asking, headers, body }
    const [service, all] = await Promise.all(
      ['/mcp/outspoken', '/mcp'].map((path) => portico.send('POST', path, sent)),
    )
    return `${service?.text}${all?.text}`
  }
  const give = (asking: string, value: string) =>
    portico.send('PUT', '/api/services/outspoken/values/SECRET', { key: asking, body: { value } })
  expect((await give(key, 'alice')).status).toBe(204)
  expect(await list(key)).toContain('memo:alice')
  expect(await list(other.key)).not.toContain('memo:alice')
  await give(other.key, 'bob')
  const ofBob = await list(other.key)
  expect(ofBob).toContain('memo:bob')
  expect(ofBob).not.toContain('memo:alice')
  expect(await list(key)).toContain('memo:alice')
  await give(key, 'carol')
  expect(await list(key)).toContain('memo:carol')
  await portico.send('DELETE', '/api/services/outspoken/values/SECRET', { key })
  expect(await list(key)).not.toContain('memo:carol')
})

test('a key that has given no value of its own keeps nobody else from a service', async () => {
  await using server = await serveHttp(async (req, res) => {
    let text = ''
    for await (const chunk of req) text += String(chunk)
    const { id, method } = JSON.parse(text) as { id?: unknown; method: string }
    const result =
      method === 'server/discover'
        ? { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }
        : { resultType: 'complete', content: [], tools: [] }
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })
  await using portico = await startPortico()
  const headers = { 'x-token': { perUser: true } }
  const upstream = { kind: 'remote', url: server.url, allowPrivate: true, headers }
  await portico.api('POST', '/api/services', { name: 'remote', upstream })
  const scopes = ['services:use']
  const [careless, careful] = [
    await portico.createKey({ scopes }),
    await portico.createKey({ scopes }),
  ]
  await portico.send('PUT', '/api/services/remote/values/x-token', {
    key: careful.key,
    body: { value: 'mine' },
  })
  const call = (key: string) =>
    portico.send('POST', '/mcp/remote', {
      key,
      headers: { accept: 'application/json' },
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } },
    })
  for (let count = 0; count < 5; count += 1) {
    expect((await call(careless.key)).text).toContain('x-token')
  }
  expect((await call(careful.key)).text).toContain('"content":[]')
  const given = { key: careless.key, body: { value: 'given' } }
  await portico.send('PUT', '/api/services/remote/values/x-token', given)
  expect((await call(careless.key)).text).toContain('"content":[]')
})
