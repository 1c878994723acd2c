import { expect, test, vi } from 'vitest'
import { beginSession, openStream } from './support/mcp-client.ts'
import { misbehaving, stdioFixture } from './support/mcp-fixture.ts'
import { countWith, startServiceGateway, textOf } from './support/service-gateway.ts'
import type { ServiceGateway } from './support/service-gateway.ts'
import { until } from './support/processes.ts'

vi.setConfig({ testTimeout: 40_000 })

/** Lets real time pass by the measure of a server that waits. */
async function waitElsewhere(gateway: ServiceGateway, ms: number): Promise<void> {
  await gateway.add('clock', misbehaving('slow-call'))
  const client = await gateway.connect('clock')
  await client.callTool({ name: 'wait', arguments: { ms } })
}

async function becomesIdle(gateway: ServiceGateway, id: string): Promise<void> {
  await until(async () => (await gateway.show(id)).state === 'idle')
}

test('a child is stopped when it is idle, and not during a call that takes longer than that', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'), { idleStopMs: 1_000 })
  const client = await gateway.connect('slow')
  const call = client.callTool({ name: 'wait', arguments: { ms: 3_000, mark: 'long' } })
  expect(textOf(await call)).toBe('Waited for long.')
  expect((await gateway.show(id)).instances).toBe(1)
  await becomesIdle(gateway, id)
  const again = await client.callTool({ name: 'wait', arguments: { ms: 1, mark: 'next' } })
  expect(textOf(again)).toBe('Waited for next.')
})

test('a child is kept for a modern client that listens for changes, and no longer', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('changing', misbehaving('changing'), { idleStopMs: 1_000 })
  const client = await gateway.connectModern('changing')
  const subscription = await client.listen({ toolsListChanged: true })
  await waitElsewhere(gateway, 2_500)
  expect((await gateway.show(id)).instances).toBe(1)
  await subscription.close()
  await becomesIdle(gateway, id)
})

test('a child is kept for a client that watches a resource, and no longer', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('watched', stdioFixture('legacy'), { idleStopMs: 1_000 })
  const client = await gateway.connect('watched')
  await client.subscribeResource({ uri: 'test://watched-resource' })
  await waitElsewhere(gateway, 2_500)
  expect((await gateway.show(id)).instances).toBe(1)
  await client.unsubscribeResource({ uri: 'test://watched-resource' })
  await becomesIdle(gateway, id)
})

test('a child that has reached its age hands over to another, and no call fails of it', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { lifetimeMaxMs: 1_000, era: 'legacy' })
  const clients = [await gateway.connect('counter'), await gateway.connectModern('counter')]
  const pids = new Set<number>()
  const callUntilThree = async (client: (typeof clients)[number]) => {
    while (pids.size < 3) pids.add((await countWith(client)).pid)
  }
  await Promise.all(clients.map(callUntilThree))
  expect(pids.size).toBeGreaterThanOrEqual(3)
})

test('a call that outlives its child’s age is answered by that child, while the next calls have another', async () => {
  await using gateway = await startServiceGateway()
  const fields = { lifetimeMaxMs: 1_000, era: 'legacy' }
  const id = await gateway.add('slow', misbehaving('slow-call'), fields)
  const url = gateway.url('slow')
  const headers = await beginSession(url, { key: gateway.key })
  const params = { name: 'wait', arguments: { ms: 2_500, mark: 'old' } }
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
  await using stream = await openStream(url, headers, call)
  const client = await gateway.connect('slow')
  await until(async () => (await gateway.show(id)).instances === 2)
  const result = await client.callTool({ name: 'wait', arguments: { ms: 1, mark: 'new' } })
  expect(textOf(result)).toBe('Waited for new.')
  expect(stream.text()).not.toContain('Waited for old.')
  await stream.ended
  expect(stream.text()).toContain('Waited for old.')
})
