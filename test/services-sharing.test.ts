import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { expect, test } from 'vitest'
import { beginSession, callTool, openStream, post } from './support/mcp-client.ts'
import { misbehaving } from './support/mcp-fixture.ts'
import {
  countWith,
  messageIn,
  running,
  startServiceGateway,
  textOf,
} from './support/service-gateway.ts'
import { until } from './support/processes.ts'

/** A call of `wait` under an id and a progress token that are the same for every client. */
function waitCall(mark: string, ms: number): object {
  const call = callTool(7, 'wait', { ms, mark })
  return { ...call, params: { ...call.params, _meta: { progressToken: 'token' } } }
}

function messagesOf(events: readonly { readonly data: string }[]): Record<string, unknown>[] {
  const texts = events.map(({ data }) => data).filter((data) => data !== '')
  return texts.map((text) => JSON.parse(text) as Record<string, unknown>)
}

test('clients of one child with equal ids and progress tokens get their own progress and their own answers', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('slow', misbehaving('slow-call'), { start: 'always' })
  const url = gateway.url('slow')
  const marks = Array.from({ length: 8 }, (_, index) => `client-${index}`)
  const answers = await Promise.all(
    marks.map(async (mark, index) => {
      const headers = await beginSession(url, { key: gateway.key })
      const ms = 700 - index * 50
      const { events } = await post(url, waitCall(mark, ms), headers)
      return messagesOf(events)
    }),
  )
  for (const [index, mark] of marks.entries()) {
    const params = { progressToken: 'token', progress: 700 - index * 50, message: mark }
    expect(answers[index]).toEqual([
      { jsonrpc: '2.0', method: 'notifications/progress', params },
      {
        jsonrpc: '2.0',
        id: 7,
        result: { content: [{ type: 'text', text: `Waited for ${mark}.` }] },
      },
    ])
  }
  expect((await gateway.show(id)).instances).toBe(1)
})

test('a client that cancels its call leaves the one of another under the same id alone, and the server hears of it', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('slow', misbehaving('slow-call'))
  const url = gateway.url('slow')
  const [one, other] = [
    await beginSession(url, { key: gateway.key }),
    await beginSession(url, { key: gateway.key }),
  ]
  await using given = await openStream(url, one, waitCall('one', 60_000))
  await using kept = await openStream(url, other, waitCall('other', 1_500))
  await Promise.all([given.until(2), kept.until(2)])
  const cancellation = {
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: 7 },
  }
  expect((await post(url, cancellation, one)).status).toBe(202)
  const cancelled = await post(url, callTool('ask', 'cancelled'), one)
  expect(cancelled.text).toContain('"text":"1"')
  await kept.ended
  expect(messagesOf(kept.events).at(-1)).toMatchObject({
    id: 7,
    result: { content: [{ text: 'Waited for other.' }] },
  })
  expect(messagesOf(given.events).filter(({ id }) => id === 7)).toEqual([])
})

test('numbers and strings are different ids, also of concurrent calls of one client', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('slow', misbehaving('slow-call'))
  const url = gateway.url('slow')
  const headers = await beginSession(url, { key: gateway.key })
  const ids = [1, '1', 2, '02']
  const answers = await Promise.all(
    ids.map((id) => post(url, callTool(id, 'wait', { ms: 100, mark: typeof id }), headers)),
  )
  for (const [index, answer] of answers.entries()) {
    const text = `Waited for ${typeof ids[index]}.`
    expect(messageIn(answer)).toMatchObject({ id: ids[index], result: { content: [{ text }] } })
  }
})

/** A client whose user answers with a name of their own, and what it was asked. */
async function answeringClient(
  connect: (capabilities: object) => Promise<Client>,
  name: string,
): Promise<{ client: Client; asked: string[] }> {
  const asked: string[] = []
  const client = await connect({ elicitation: {} })
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message)
    return { action: 'accept', content: { answer: name } }
  })
  return { client, asked }
}

test('a question of a shared program reaches the client whose call it is about', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('ask', misbehaving('ask'))
  const names = ['Ann', 'Ben', 'Cem']
  const clients = await Promise.all(
    names.map((name) =>
      answeringClient((capabilities) => gateway.connect('ask', { capabilities }), name),
    ),
  )
  const rounds = Array.from({ length: 5 }, (_, round) => round)
  const calls = clients.flatMap(({ client }, index) =>
    rounds.map(async (round) => {
      const message = `${names[index]} ${round}?`
      const text = textOf(await client.callTool({ name: 'ask', arguments: { message } }))
      const answer = { action: 'accept', content: { answer: names[index] } }
      expect(JSON.parse(text)).toEqual({ message, answer })
    }),
  )
  await Promise.all(calls)
  for (const [index, { asked }] of clients.entries()) {
    expect(asked.toSorted()).toEqual(rounds.map((round) => `${names[index]} ${round}?`))
  }
  expect((await gateway.show(id)).instances).toBeLessThanOrEqual(3)
})

test('a client that cannot be asked does not wait for the answers of one that can', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('ask', misbehaving('ask'))
  const interactive = await gateway.connect('ask', { capabilities: { elicitation: {} } })
  const { promise: answer, resolve } = Promise.withResolvers<void>()
  const isAsked = Promise.withResolvers<void>()
  interactive.setRequestHandler(ElicitRequestSchema, async () => {
    isAsked.resolve()
    await answer
    return { action: 'decline' }
  })
  const held = interactive.callTool({ name: 'ask', arguments: { message: 'Held?' } })
  await isAsked.promise
  const mute = await gateway.connect('ask')
  const text = textOf(await mute.callTool({ name: 'ask', arguments: { message: 'Mute?' } }))
  expect(JSON.parse(text)).toMatchObject({ message: 'Mute?', answer: { error: { code: -32601 } } })
  resolve()
  expect(textOf(await held)).toContain('decline')
})

test('all clients that cannot be asked share one child, whatever their era and key', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'))
  const { key } = await gateway.issueKey()
  const clients = [
    await gateway.connect('counter'),
    await gateway.connect('counter', { key }),
    await gateway.connectModern('counter'),
    await gateway.connectModern('counter', { key }),
  ]
  const counts = await Promise.all(clients.map((client) => countWith(client)))
  expect(new Set(counts.map(({ pid }) => pid)).size).toBe(1)
  expect(new Set(counts.map(({ count }) => count))).toEqual(new Set([1, 2, 3, 4]))
})

test('a per-user service has a child for each key, and one session does not share it with another key', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { isolation: 'per-user' })
  const { key } = await gateway.issueKey()
  const mine = [await gateway.connect('counter'), await gateway.connect('counter')]
  const theirs = await gateway.connect('counter', { key })
  const [first, second, other] = [
    await countWith(mine[0]!),
    await countWith(mine[1]!),
    await countWith(theirs),
  ]
  expect([first.count, second.count, other.count]).toEqual([1, 2, 1])
  expect(second.pid).toBe(first.pid)
  expect(other.pid).not.toBe(first.pid)
})

test('a per-session service has a child for each session, which ends with it', async () => {
  await using gateway = await startServiceGateway()
  await gateway.add('counter', misbehaving('counter'), { isolation: 'per-session' })
  const url = gateway.url('counter')
  const sessions = await Promise.all([1, 2].map(() => beginSession(url, { key: gateway.key })))
  const pids = await Promise.all(
    sessions.map(async (headers) => {
      const [, again] = [
        await post(url, callTool(1, 'count'), headers),
        await post(url, callTool(2, 'count'), headers),
      ]
      expect(again.text).toContain('\\"count\\":2')
      return Number(/\\"pid\\":(\d+)/.exec(again.text)?.[1])
    }),
  )
  expect(new Set(pids).size).toBe(2)
  for (const headers of sessions) {
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204)
  }
  await until(() => running(pids) === 0)
})

test('a per-call service has a child for each call and keeps none', async () => {
  await using gateway = await startServiceGateway()
  const id = await gateway.add('counter', misbehaving('counter'), { isolation: 'per-call' })
  const client = await gateway.connect('counter')
  const counts = [await countWith(client), await countWith(client)]
  expect(counts.map(({ count }) => count)).toEqual([1, 1])
  expect(counts[0]?.pid).not.toBe(counts[1]?.pid)
  await until(async () => (await gateway.show(id)).instances === 0)
})
