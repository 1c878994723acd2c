import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { misbehaving, startRestartable } from './support/mcp-fixture.ts'
import { countWith, startServiceGateway, textOf } from './support/service-gateway.ts'
import type { ServiceGateway } from './support/service-gateway.ts'
import { createFolder, until } from './support/processes.ts'

/** Kills the program of a service the hard way, once a call runs on it. */
async function killDuringCall(gateway: ServiceGateway, id: string): Promise<number> {
  await until(async () => (await gateway.show(id)).callsRunning > 0)
  const pid = (await gateway.show(id)).metrics?.pid ?? 0
  process.kill(pid, 'SIGKILL')
  return pid
}

test('a child that is killed during calls fails them all at once, and the next call has another child', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'))
  const clients = [await gateway.connect('slow'), await gateway.connect('slow')]
  const calls = clients.map((client) =>
    client.callTool({ name: 'wait', arguments: { ms: 60_000 } }).catch((error: unknown) => error),
  )
  const pid = await killDuringCall(gateway, id)
  const killedAt = performance.now()
  const errors = await Promise.all(calls)
  expect(performance.now() - killedAt).toBeLessThan(2_000)
  for (const error of errors) expect((error as Error).message).toMatch(/slow: .*SIGKILL/)
  const [client] = clients
  const waited = await client?.callTool({ name: 'wait', arguments: { ms: 1, mark: 'it' } })
  expect(textOf(waited ?? {})).toBe('Waited for it.')
  expect((await gateway.show(id)).metrics?.pid).not.toBe(pid)
})

test('a child that is killed takes no child of another service with it', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'))
  await gateway.add('counter', misbehaving('counter'))
  const other = await gateway.connect('counter')
  const before = await countWith(other)
  const client = await gateway.connect('slow')
  const call = client
    .callTool({ name: 'wait', arguments: { ms: 60_000 } })
    .catch((error: unknown) => error)
  await killDuringCall(gateway, id)
  expect((await call) as Error).toMatchObject({ message: expect.stringContaining('SIGKILL') })
  expect(await countWith(other)).toEqual({ count: before.count + 1, pid: before.pid })
})

test('the session of a per-session service whose child was killed is over, and a new one begins with a new child', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { isolation: 'per-session' })
  const client = await gateway.connect('counter')
  const { pid } = await countWith(client)
  process.kill(pid, 'SIGKILL')
  await until(() =>
    countWith(client).then(
      () => false,
      (error: unknown) => (error as { code?: unknown }).code === 404,
    ),
  )
  const again = await countWith(await gateway.connect('counter'))
  expect(again.count).toBe(1)
  expect(again.pid).not.toBe(pid)
})

/** What the upstream has noted since its first start. */
async function readJournal(journal: string): Promise<string[]> {
  return (await readFile(journal, 'utf8')).split('\n').filter((line) => line !== '')
}

function noted(lines: readonly string[], entry: string): number {
  return lines.filter((line) => line === entry).length
}

test('an HTTP server that is killed during a call fails it at once, and it is not made again', async () => {
  await using folder = await createFolder()
  const journal = path.join(folder.path, 'journal')
  await using upstream = await startRestartable({ port: 0, journal, hangs: true })
  await using gateway = await startServiceGateway()
  await gateway.add('far', upstream.url)
  const client = await gateway.connect('far')
  const calls = ['read', 'write'].map((name) =>
    client.callTool({ name, arguments: {} }).catch((error: unknown) => error),
  )
  await until(async () => {
    const lines = await readJournal(journal)
    return noted(lines, 'read') + noted(lines, 'write') === 2
  })
  upstream.child.kill('SIGKILL')
  const killedAt = performance.now()
  for (const error of await Promise.all(calls)) expect((error as Error).message).toContain('far: ')
  expect(performance.now() - killedAt).toBeLessThan(2_000)
  await using restarted = await startRestartable({ port: portOf(upstream.url), journal })
  expect(restarted.url).toBe(upstream.url)
  expect(textOf(await client.callTool({ name: 'read', arguments: {} }))).toBe('Done: read')
  const lines = await readJournal(journal)
  expect([noted(lines, 'read'), noted(lines, 'write')]).toEqual([2, 1])
})

test('an HTTP server that forgot its session gets one new one for all calls, and each of them that is read-only once again', async () => {
  await using folder = await createFolder()
  const journal = path.join(folder.path, 'journal')
  await using gateway = await startServiceGateway()
  await using upstream = await startRestartable({ port: 0, journal })
  await gateway.add('far', upstream.url, { isolation: 'shared' })
  const client = await gateway.connect('far')
  await client.callTool({ name: 'read', arguments: {} })
  const before = noted(await readJournal(journal), 'initialize')
  upstream.child.kill('SIGKILL')
  await using _restarted = await startRestartable({ port: portOf(upstream.url), journal })
  const results = await Promise.all(
    Array.from({ length: 5 }, () => client.callTool({ name: 'read', arguments: {} })),
  )
  expect(results.map(textOf)).toEqual(Array.from({ length: 5 }, () => 'Done: read'))
  const lines = await readJournal(journal)
  expect(noted(lines, 'initialize')).toBe(before + 1)
  expect(noted(lines, 'read')).toBe(6)
})

test('a call that is not safe is not made again in the new session of an HTTP server, but the next one is made', async () => {
  await using folder = await createFolder()
  const journal = path.join(folder.path, 'journal')
  await using gateway = await startServiceGateway()
  await using upstream = await startRestartable({ port: 0, journal })
  await gateway.add('far', upstream.url)
  const client = await gateway.connect('far')
  await client.callTool({ name: 'read', arguments: {} })
  upstream.child.kill('SIGKILL')
  await using _restarted = await startRestartable({ port: portOf(upstream.url), journal })
  await expect(client.callTool({ name: 'write', arguments: {} })).rejects.toThrow(/session/)
  expect(noted(await readJournal(journal), 'write')).toBe(0)
  expect(textOf(await client.callTool({ name: 'write', arguments: {} }))).toBe('Done: write')
  expect(noted(await readJournal(journal), 'write')).toBe(1)
})

function portOf(url: string): number {
  return Number(new URL(url).port)
}
