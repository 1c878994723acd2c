import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { expect, test } from 'vitest'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { misbehaving } from './support/mcp-fixture.ts'
import { messageIn, startServiceGateway, textOf } from './support/service-gateway.ts'
import type { ServiceGateway } from './support/service-gateway.ts'
import { until } from './support/processes.ts'

interface Changes {
  readonly changes: readonly {
    readonly kind: string
    readonly name: string
    readonly status: string
    readonly hash: string | null
    readonly diff: readonly string[]
  }[]
}

interface Lists {
  listTools(): Promise<{ tools: { name: string; description?: string | undefined }[] }>
}

async function describeTools(client: Lists): Promise<string[]> {
  const { tools } = await client.listTools()
  return tools.map(({ name, description }) => `${name}: ${description}`)
}

async function change(gateway: ServiceGateway): Promise<void> {
  const client = await gateway.connect('changing')
  await client.callTool({ name: 'change', arguments: {} })
}

test('a change of tools reaches a legacy client on its stream and a modern one that listens, and both then list it', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('changing', misbehaving('changing'))
  const legacy = await gateway.connect('changing')
  const isTold = Promise.withResolvers<void>()
  legacy.setNotificationHandler(ToolListChangedNotificationSchema, () => isTold.resolve())
  const modern = await gateway.connectModern('changing')
  const isToldToo = Promise.withResolvers<void>()
  modern.setNotificationHandler('notifications/tools/list_changed', () => isToldToo.resolve())
  const subscription = await modern.listen({ toolsListChanged: true })
  expect(await describeTools(legacy)).toEqual(['change: Version 1'])
  await change(gateway)
  await Promise.all([isTold.promise, isToldToo.promise])
  const changed = ['change: Version 2', 'extra: The tool extra']
  expect(await describeTools(legacy)).toEqual(changed)
  expect(await describeTools(modern)).toEqual(changed)
  await subscription.close()
})

test('a change of tools of one service is not told to clients of another', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('changing', misbehaving('changing'))
  await gateway.add('other', misbehaving('changing'))
  const streamAt = async (name: string) =>
    openStream(gateway.url(name), {
      ...(await beginSession(gateway.url(name), { key: gateway.key })),
      accept: 'text/event-stream',
    })
  await using concerned = await streamAt('changing')
  await using other = await streamAt('other')
  await change(gateway)
  await until(() => concerned.text().includes('tools/list_changed'))
  expect(other.text()).not.toContain('list_changed')
})

test('a pinned service holds back what changed and what is new, until that is approved', async () => {
  await using gateway = await startServiceGateway()
  const { portico } = gateway
  const id = await gateway.add('changing', misbehaving('changing'), { pin: true })
  const client = await gateway.connect('changing')
  expect(await describeTools(client)).toEqual(['change: Version 1'])
  await change(gateway)
  await until(async () => (await gateway.show(id)).pendingChanges === 2)
  expect(await describeTools(client)).toEqual([])

  const headers = await beginSession(gateway.url('changing'), { key: gateway.key })
  for (const name of ['change', 'extra']) {
    const refused = await post(gateway.url('changing'), callTool(1, name), headers)
    expect(messageIn(refused)).toMatchObject({ error: { data: { code: 'tool_quarantined' } } })
  }
  const { changes } = await portico.api<Changes>('GET', `/api/services/${id}/changes`)
  expect(changes.map(({ name, status }) => [name, status])).toEqual([
    ['change', 'changed'],
    ['extra', 'new'],
  ])
  const diff = changes[0]?.diff.filter((line) => /^[-+] /.test(line))
  expect(diff).toEqual(['-   "description": "Version 1",', '+   "description": "Version 2",'])

  const isTold = Promise.withResolvers<void>()
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => isTold.resolve())
  const items = [{ kind: 'tools', name: 'change', hash: changes[0]?.hash }]
  await portico.api('POST', `/api/services/${id}/approve`, { items })
  await isTold.promise
  expect(await describeTools(client)).toEqual(['change: Version 2'])
  const result = await client.callTool({ name: 'change', arguments: {} })
  expect(textOf(result)).toBe('Version 3')
})

test('an approval of what has changed again meanwhile is refused', async () => {
  await using gateway = await startServiceGateway()
  const { portico } = gateway
  const id = await gateway.add('changing', misbehaving('changing'))
  await change(gateway)
  await until(async () => (await gateway.show(id)).toolCount === 2)
  await portico.api('PATCH', `/api/services/${id}`, { pin: true })
  await change(gateway)
  await until(async () => (await gateway.show(id)).pendingChanges > 0)
  const approval = { items: [{ kind: 'tools', name: 'change', hash: 'seen-before' }] }
  const refused = await portico.send('POST', `/api/services/${id}/approve`, {
    key: portico.adminKey,
    body: approval,
  })
  expect(refused.status).toBe(409)
  expect((await gateway.show(id)).pendingChanges).toBeGreaterThan(0)
})
