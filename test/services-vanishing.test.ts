import { expect, test, vi } from 'vitest'
import { readProcessTable } from '../src/features/processes/process-table.ts'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { instantServer, misbehaving } from './support/mcp-fixture.ts'
import { openRawClient } from './support/raw-client.ts'
import { startServiceGateway, textOf } from './support/service-gateway.ts'
import type { ServiceGateway } from './support/service-gateway.ts'
import { until } from './support/processes.ts'

vi.setConfig({ testTimeout: 120_000 })

/** How many calls the server of `slow-call` was told to cancel. */
async function countCancelled(gateway: ServiceGateway): Promise<number> {
  const client = await gateway.connect('slow')
  const result = await client.callTool({ name: 'cancelled', arguments: {} })
  return Number(textOf(result))
}

test('a legacy client that vanishes during a call does not cancel it, and finds its answer when it comes back', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('slow', misbehaving('slow-call'))
  const url = gateway.url('slow')
  const headers = await beginSession(url, { key: gateway.key })
  const stream = await openStream(url, headers, callTool(1, 'wait', { ms: 1_500, mark: 'me' }))
  await stream.until(1)
  const { id = '' } = stream.events[0] ?? {}
  stream.cut()
  await stream.ended
  await using resumed = await openStream(url, { ...headers, 'last-event-id': id })
  await resumed.ended
  expect(resumed.text()).toContain('Waited for me.')
  expect(await countCancelled(gateway)).toBe(0)
})

test('a modern client that vanishes during a call cancels it at the server', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'))
  const client = await gateway.connectModern('slow')
  const leave = new AbortController()
  const call = client
    .callTool({ name: 'wait', arguments: { ms: 60_000 } }, { signal: leave.signal })
    .catch((error: unknown) => error)
  await until(async () => (await gateway.show(id)).callsRunning === 1)
  leave.abort()
  expect(await call).toBeInstanceOf(Error)
  await until(async () => (await countCancelled(gateway)) === 1)
  expect((await gateway.show(id)).callsRunning).toBe(0)
})

test('a client that ends its session cancels what it has under way', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('slow', misbehaving('slow-call'))
  const url = gateway.url('slow')
  const headers = await beginSession(url, { key: gateway.key })
  await using stream = await openStream(url, headers, callTool(1, 'wait', { ms: 60_000 }))
  await stream.until(1)
  expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204)
  await until(async () => (await countCancelled(gateway)) === 1)
  expect((await post(url, callTool(2, 'cancelled'), headers)).status).toBe(404)
})

/** Bytes of one request of a session. */
function requestBytes(
  method: string,
  headers: Readonly<Record<string, string>>,
  body?: object,
): string {
  const text = body === undefined ? '' : JSON.stringify(body)
  const length = body === undefined ? {} : { 'content-length': String(text.length) }
  const lines = Object.entries({ host: '127.0.0.1', ...headers, ...length })
  return `${method} /mcp/instant HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n${text}`
}

/** Begins a session, makes a call, opens the stream of the session and is gone without a word. */
async function connectAndVanish(gateway: ServiceGateway): Promise<void> {
  const headers = await beginSession(gateway.url('instant'), { key: gateway.key })
  using client = await openRawClient(gateway.portico.port)
  client.send(requestBytes('POST', headers, callTool(1, 'hello')))
  await client.until('"text":"hello"')
  client.send(requestBytes('GET', headers))
  await client.until('text/event-stream')
  client.socket.resetAndDestroy()
}

async function vanish(gateway: ServiceGateway, times: number): Promise<void> {
  const queue = Array.from({ length: times }).values()
  const work = async () => {
    for (const _ of queue) await connectAndVanish(gateway)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

/** Children of this process that run the server. */
async function countChildren(): Promise<number> {
  const table = await readProcessTable()
  return table
    .values()
    .filter(({ parentPid }) => parentPid === process.pid)
    .toArray().length
}

test('500 clients that vanish leave no child of a per-session service behind, and no memory', async () => {
  await using gateway = await startServiceGateway({ 'services.instancesMax': 1_000 })
  const baseline = await countChildren()
  const fields = { isolation: 'per-session', era: 'legacy', idleStopMs: 1_000 }
  const id = await gateway.add('instant', instantServer(), fields)
  await vanish(gateway, 100)
  const rss = process.memoryUsage().rss
  await vanish(gateway, 400)
  await until(async () => (await countChildren()) <= baseline)
  expect((await gateway.show(id)).instances).toBe(0)
  expect(process.memoryUsage().rss - rss).toBeLessThan(64 * 1024 * 1024)
})

test('clients that vanish during the handshake leave nothing behind', async () => {
  await using gateway = await startServiceGateway()
  const baseline = await countChildren()
  const fields = { isolation: 'per-session', era: 'legacy', idleStopMs: 1_000 }
  const id = await gateway.add('instant', misbehaving('slow-start', '300'), fields)
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => openRawClient(gateway.portico.port)),
  )
  const body = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    },
  }
  for (const client of clients) client.send(requestBytes('POST', gateway.headers(), body))
  await until(async () => (await countChildren()) > baseline)
  for (const client of clients) client.socket.resetAndDestroy()
  await until(async () => (await countChildren()) <= baseline)
  expect((await gateway.show(id)).instances).toBe(0)
})
