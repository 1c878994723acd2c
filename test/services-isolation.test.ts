import { expect, test } from 'vitest'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { misbehaving } from './support/mcp-fixture.ts'
import { countWith, startServiceGateway } from './support/service-gateway.ts'

test('each key has its own value of a variable in its own child, and without one it is told which is missing', async () => {
  await using gateway = await startServiceGateway()
  const { portico } = gateway
  const [ann, ben, none] = [
    await gateway.issueKey(),
    await gateway.issueKey(),
    await gateway.issueKey(),
  ]
  const env = { WHO: { perUser: true } }
  const id = await gateway.add('counter', misbehaving('counter'), {
    upstream: { kind: 'process', ...misbehaving('counter'), env },
  })
  for (const [{ key }, value] of [
    [ann, 'Ann'],
    [ben, 'Ben'],
  ] as const) {
    const path = `/api/services/${id}/values/WHO`
    expect((await portico.send('PUT', path, { key, body: { value } })).status).toBe(204)
  }
  const clients = [
    await gateway.connect('counter', { key: ann.key }),
    await gateway.connect('counter', { key: ben.key }),
  ]
  const counts = await Promise.all(clients.map((client) => countWith(client, 'WHO')))
  expect(counts.map(({ value }) => value)).toEqual(['Ann', 'Ben'])
  expect(counts[0]?.pid).not.toBe(counts[1]?.pid)
  await expect(gateway.connect('counter', { key: none.key })).rejects.toThrow(/WHO/)
})

test('a key does not find the session of another, with any method', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'))
  const { key } = await gateway.issueKey()
  const url = gateway.url('counter')
  const mine = await beginSession(url, { key: gateway.key })
  const theirs = { ...mine, ...gateway.headers(key) }
  expect((await post(url, callTool(1, 'count'), theirs)).status).toBe(404)
  for (const method of ['GET', 'DELETE']) {
    expect((await fetch(url, { method, headers: theirs })).status).toBe(404)
  }
  expect((await post(url, callTool(1, 'count'), mine)).text).toContain('\\"count\\":1')
})

test('a session of one service is none of another', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('one', misbehaving('counter'))
  await gateway.add('other', misbehaving('counter'))
  const headers = await beginSession(gateway.url('one'), { key: gateway.key })
  const answer = await post(gateway.url('other'), callTool(1, 'count'), headers)
  expect(answer.status).toBe(404)
})

test('what a stream of one session can be resumed with is of no use in another session of the same key', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('slow', misbehaving('slow-call'))
  const url = gateway.url('slow')
  const mine = await beginSession(url, { key: gateway.key })
  const other = await beginSession(url, { key: gateway.key })
  const call = callTool(1, 'wait', { ms: 600, mark: 'me' })
  await using stream = await openStream(url, mine, call)
  await stream.until(1)
  const { id = '' } = stream.events[0] ?? {}
  await stream.ended
  await using stolen = await openStream(url, { ...other, 'last-event-id': id })
  await stolen.until(1)
  expect(stolen.text()).not.toContain('Waited')
  await using resumed = await openStream(url, { ...mine, 'last-event-id': id })
  await resumed.ended
  expect(resumed.text()).toContain('Waited for me.')
})
