import { expect, test } from 'vitest'
import { beginSession, callTool, initialize, post } from './support/mcp-client.ts'
import { misbehaving } from './support/mcp-fixture.ts'
import type { Command } from './support/mcp-fixture.ts'
import {
  countWith,
  messageIn,
  messageText,
  startServiceGateway,
  textOf,
} from './support/service-gateway.ts'
import { until } from './support/processes.ts'

/** The result of a tool of a service, as its client sees it over raw HTTP. */
async function callRaw(
  gateway: Awaited<ReturnType<typeof startServiceGateway>>,
  name: string,
  call: object,
) {
  const headers = await beginSession(gateway.url(name), { key: gateway.key })
  return post(gateway.url(name), call, headers)
}

test('what a program prints beside its messages is logged and does no harm', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('noise', misbehaving('noise'))
  const client = await gateway.connect('noise')
  const echoed = await client.callTool({ name: 'echo', arguments: { say: 'hi' } })
  expect(textOf(echoed)).toBe('{"say":"hi"}')
  await until(async () => {
    const { text } = await gateway.portico.send('GET', `/api/services/${id}/logs`, {
      key: gateway.portico.adminKey,
    })
    return text.includes('please wait') && text.includes('not a message')
  })
})

test('a program that never answers fails the handshake after startTimeoutMs, with an error that names it', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('silent', misbehaving('silent'), {
    startTimeoutMs: 1_000,
    era: 'legacy',
  })
  const startedAt = performance.now()
  const answer = await post(gateway.url('silent'), initialize(), gateway.headers())
  expect(performance.now() - startedAt).toBeLessThan(6_000)
  expect(messageIn(answer)).toMatchObject({ id: 0, error: { code: -32603 } })
  expect(answer.text).toMatch(/silent.*in time/)
  expect((await gateway.show(id)).lastError).toContain('in time')
})

test('a program that never answers is given up in time where its era has to be found out as well', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('silent', misbehaving('silent'), { startTimeoutMs: 1_500 })
  const startedAt = performance.now()
  const answer = await post(gateway.url('silent'), initialize(), gateway.headers())
  expect(performance.now() - startedAt).toBeLessThan(6_000)
  expect(messageIn(answer)).toMatchObject({ id: 0, error: { code: -32603 } })
})

test('a program that ends during a call fails that call with its name, is there for the next one, and concerns no other service', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('fragile', misbehaving('exit-on-call'))
  await gateway.add('counter', misbehaving('counter'))
  const other = await gateway.connect('counter')
  const before = await countWith(other)
  const client = await gateway.connect('fragile')
  const call = callTool(5, 'echo')
  const answer = await callRaw(gateway, 'fragile', call)
  expect(messageIn(answer)).toMatchObject({
    id: 5,
    error: { code: -32603, data: { code: 'service_failed' } },
  })
  expect(answer.text).toContain('fragile')
  await expect(client.callTool({ name: 'echo', arguments: {} })).rejects.toThrow(/fragile/)
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual(['echo'])
  const after = await countWith(other)
  expect(after).toEqual({ count: before.count + 1, pid: before.pid })
})

test('a program that ends at a question before the handshake works, because a child that nobody needs is asked', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('shy', misbehaving('exit-on-probe'))
  const client = await gateway.connect('shy')
  expect(textOf(await client.callTool({ name: 'echo', arguments: { a: 1 } }))).toBe('{"a":1}')
})

test('a line of 100 MB ends its call with an error and not the service, nor Portico', async () => {
  await using gateway = await startServiceGateway({ 'services.messageBytesMax': 4 * 1024 * 1024 })
  await gateway.add('long', misbehaving('long-line'), { timeoutMs: 2_000 })
  await gateway.add('counter', misbehaving('counter'))
  const other = await gateway.connect('counter')
  const before = process.memoryUsage().rss
  const answer = await callRaw(gateway, 'long', callTool(1, 'echo'))
  expect(messageIn(answer)).toMatchObject({ id: 1, error: { data: { code: 'upstream_timeout' } } })
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024)
  const { tools } = await (await gateway.connect('long')).listTools()
  expect(tools).toHaveLength(1)
  expect((await countWith(other)).count).toBe(1)
})

test('a cursor that does not advance ends the list', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('stuck', misbehaving('stuck-cursor'))
  const client = await gateway.connect('stuck')
  const { tools, nextCursor } = await client.listTools()
  expect(new Set(tools.map(({ name }) => name))).toEqual(new Set(['echo']))
  expect(nextCursor).toBeUndefined()
})

test('unknown content and members, and numbers that no double holds, come through byte for byte', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('strange', misbehaving('unknown-content'))
  const answer = await callRaw(gateway, 'strange', callTool('id-1', 'strange'))
  expect(messageText(answer)).toBe(
    '{"jsonrpc":"2.0","id":"id-1","result":{"content":[' +
      '{"type":"x-hologram","beams":[1,2,3],"_meta":{"example.com/block":true}},' +
      '{"type":"text","text":"known","annotations":{"futureAudience":["cat"]},"futureField":null}],' +
      '"structuredContent":{"big":12345678901234567890,"small":1e-7,"text":"\u2028 and \u{1F512}"},' +
      '"futureField":{"kept":true},"_meta":{"example.com/result":"kept"}}}',
  )
  const listed = await callRaw(gateway, 'strange', { jsonrpc: '2.0', id: 2, method: 'tools/list' })
  expect(messageIn(listed)).toMatchObject({
    result: { tools: [{ execution: { futureField: 1 }, futureField: { a: 1 } }] },
  })
})

test('names of 200 characters are kept at their own URL, and are at most 64 long and callable behind /mcp', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('long', misbehaving('long-names'))
  const own = await gateway.connect('long')
  const { tools } = await own.listTools()
  expect(tools.map(({ name }) => name)).toEqual(['a'.repeat(200), 'b'.repeat(200)])
  const all = await post(
    gateway.url(),
    { jsonrpc: '2.0', id: 1, method: 'tools/list' },
    await beginSession(gateway.url(), { key: gateway.key }),
  )
  const names = (messageIn(all) as { result: { tools: { name: string }[] } }).result.tools.map(
    ({ name }) => name,
  )
  expect(new Set(names).size).toBe(2)
  for (const name of names) {
    expect(name.length).toBeLessThanOrEqual(64)
    const headers = await beginSession(gateway.url(), { key: gateway.key })
    const answer = await post(gateway.url(), callTool(2, name, { b: 2 }), headers)
    expect(messageIn(answer)).toMatchObject({ result: { content: [{ text: '{"b":2}' }] } })
  }
})

test('a program that is slow to start is waited for, once for all who need it', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-start', '800'), { era: 'legacy' })
  const clients = await Promise.all([1, 2, 3].map(() => gateway.connect('slow')))
  const texts = await Promise.all(
    clients.map(async (client) => textOf(await client.callTool({ name: 'echo', arguments: {} }))),
  )
  expect(texts).toEqual(['{}', '{}', '{}'])
  expect((await gateway.show(id)).instances).toBe(1)
})

const crashing: Command = {
  command: process.execPath,
  args: ['-e', 'console.error("no database: set DB_URL"); process.exit(7)'],
}

test('a program that always ends is crashed in the end, with its last words for those who manage it, and fails its callers fast', async () => {
  await using gateway = await startServiceGateway({ 'processes.backoffBaseMs': 10 })
  const id = await gateway.add('broken', crashing, {
    restart: { auto: true, maxRestarts: 2, windowMs: 60_000 },
  })
  const ask = () => post(gateway.url('broken'), initialize(), gateway.headers())
  await until(async () => {
    await ask()
    return (await gateway.show(id)).state === 'crashed'
  })
  const shown = await gateway.show(id)
  expect(shown.stderr.join('\n')).toContain('no database: set DB_URL')
  expect(shown.lastError).toContain('7')
  const startedAt = performance.now()
  const answer = await ask()
  expect(performance.now() - startedAt).toBeLessThan(1_000)
  expect(messageIn(answer)).toMatchObject({ error: { data: { code: 'service_failed' } } })
  expect(answer.text).not.toContain('no database')
})
