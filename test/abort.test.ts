import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startGateway } from './support/portico.ts'
import type { Gateway } from './support/portico.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import type { RawClient } from './support/raw-client.ts'
import { chat, chatEvents } from './support/upstream-answers.ts'
import { flooding, refuseToRead, stall, stallAfter } from './support/upstream-faults.ts'
import type { Behaviour, RecordedRequest } from './support/upstream.ts'

/** Far below the second between two looks at the running calls, so that only a direct way from one end to the other meets it. */
const deadlineMs = 400

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({ key: { concurrentRequests: 1 } })
})

afterAll(() => gateway[Symbol.asyncDispose]())

const asked = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }

function begin(client: RawClient, path: string, body: object): void {
  const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
  client.send(formatRequest(`POST /v1/${path}`, headers, JSON.stringify(body)))
}

/** Cuts the connection; resolves with the ms until the upstream was rid of the request. The key must have its place again by then. */
async function leave(client: RawClient, received: RecordedRequest): Promise<number> {
  const leftAt = performance.now()
  client.socket.destroy()
  const abandonedAt = await received.abandoned
  gateway.upstream.script(chat())
  const next = await gateway.post('chat/completions', asked)
  if (next.status !== 200) throw new Error(`The place is still taken: ${next.text}`)
  return abandonedAt - leftAt
}

interface Phase {
  readonly when: string
  readonly behaviour: Behaviour
  /** What the client has seen of the answer when it leaves. */
  readonly seen?: string
  readonly isWhole?: boolean
}

const phases: Phase[] = [
  { when: 'before the upstream reads', behaviour: refuseToRead() },
  { when: 'before the head', behaviour: stall() },
  { when: 'before the first event', behaviour: stallAfter([]), seen: '\r\n\r\n' },
  { when: 'behind a comment', behaviour: stallAfter([': wait\n\n']), seen: '\r\n\r\n' },
  { when: 'within a stream', behaviour: stallAfter(chatEvents(['He']).slice(0, 2)), seen: 'He' },
  { when: 'within an event', behaviour: stallAfter(['data: {"half']), seen: '\r\n\r\n' },
  { when: 'before a whole answer', behaviour: stall(), isWhole: true },
  { when: 'within a whole answer', behaviour: beginAndStall(200), isWhole: true },
  { when: 'within an error', behaviour: beginAndStall(400), isWhole: true },
]

const routes = [
  'chat/completions',
  'completions',
  'responses',
  'embeddings',
  'messages',
  'audio/speech',
  'a/route/nobody/knows',
]

describe.each(routes)('a client of %s that leaves', (path) => {
  test.each(phases)('$when takes the upstream along', async (phase) => {
    const ordinal = gateway.upstream.requests.length + 1
    gateway.upstream.script(phase.behaviour)
    using client = await openRawClient(gateway.portico.port)
    begin(client, path, { ...asked, stream: phase.isWhole !== true, max_tokens: 10 })
    const received = await gateway.upstream.arrival(ordinal)
    await client.until(phase.seen ?? '')
    expect(await leave(client, received)).toBeLessThan(deadlineMs)
  })
})

test('a client that stopped reading and leaves takes the upstream along', async () => {
  const ordinal = gateway.upstream.requests.length + 1
  gateway.upstream.script(flooding(500_000_000))
  using client = await openRawClient(gateway.portico.port)
  begin(client, 'chat/completions', { ...asked, stream: true })
  const received = await gateway.upstream.arrival(ordinal)
  await client.until('data: ')
  client.socket.pause()
  expect(await leave(client, received)).toBeLessThan(deadlineMs)
})

test('a client that leaves while it uploads takes the upload along', async () => {
  const ordinal = gateway.upstream.requests.length + 1
  gateway.upstream.script(async ({ receive }) => void (await receive()))
  using client = await openRawClient(gateway.portico.port)
  client.send(
    `POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${gateway.key}\r\n`,
    'content-type: application/octet-stream\r\ncontent-length: 100000\r\n\r\nthe beginning',
  )
  const received = await gateway.upstream.arrival(ordinal)
  expect(await leave(client, received)).toBeLessThan(deadlineMs)
})

test('a call that was left is recorded as left by the client', async () => {
  await using own = await startGateway()
  own.upstream.script(stallAfter(chatEvents(['He']).slice(0, 2)))
  const leaving = new AbortController()
  const call = own.post('chat/completions', { ...asked, stream: true }, { signal: leaving.signal })
  await own.upstream.arrival(1)
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  await vi.waitFor(async () => {
    const { requests } = await own.portico.api<{ requests: object[] }>('GET', '/api/usage/requests')
    expect(requests).toMatchObject([{ abortedBy: 'client' }])
  })
})

/** Begins an answer that is no stream, and stops in its midst. */
function beginAndStall(status: number): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    res.writeHead(status, { 'content-type': 'application/json' }).write('{"half')
  }
}
