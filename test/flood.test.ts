import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createHome, processAdminKey, startProcess } from './support/portico-process.ts'
import { formatRequest, openRawClient } from './support/raw-client.ts'
import type { RawClient } from './support/raw-client.ts'
import { flooding } from './support/upstream-faults.ts'
import type { Flood } from './support/upstream-faults.ts'
import { startUpstream } from './support/upstream.ts'

const floodBytes = 300_000_000
const growthBytesMax = 16_000_000

test.skipIf(process.platform !== 'linux')(
  'a flood of 300 MB at a client that does not read is held back, at the cost of little memory',
  { timeout: 60_000 },
  async () => {
    await using scope = new AsyncDisposableStack()
    const upstream = scope.use(await startUpstream())
    const home = scope.use(await createHome())
    const portico = scope.use(await startProcess(home))
    await portico.addProvider(upstream)
    const warmUp: Flood = { sentBytes: 0 }
    upstream.script(flooding(20_000_000, warmUp))
    using reader = await askForStream(portico.port)
    await reader.until('\r\n0\r\n\r\n')
    const before = await readRss(portico.child.pid)

    const flood: Flood = { sentBytes: 0 }
    upstream.script(flooding(floodBytes, flood))
    using client = await askForStream(portico.port)
    client.socket.pause()
    await untilStill(() => flood.sentBytes)

    // What lies in the sockets of the kernel, on both sides, counts as sent.
    expect(flood.sentBytes).toBeLessThan(floodBytes / 4)
    expect((await readRss(portico.child.pid)) - before).toBeLessThan(growthBytesMax)
    expect((await portico.ask('GET', '/healthz')).status).toBe(200)
  },
)

test('a slow reader gets every byte of a flood', { timeout: 60_000 }, async () => {
  await using scope = new AsyncDisposableStack()
  const upstream = scope.use(await startUpstream())
  const portico = scope.use(await startProcess(scope.use(await createHome())))
  await portico.addProvider(upstream)
  const flood: Flood = { sentBytes: 0 }
  upstream.script(flooding(20_000_000, flood))
  const answer = await portico.ask('POST', '/v1/chat/completions', { body: streamedChat })
  let received = 0
  for await (const piece of answer.body ?? []) {
    received += piece.length
    await new Promise(setImmediate)
  }
  expect(received).toBe(flood.sentBytes)
})

const streamedChat = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true }

async function askForStream(port: number): Promise<RawClient> {
  const client = await openRawClient(port)
  const headers = {
    authorization: `Bearer ${processAdminKey}`,
    'content-type': 'application/json',
  }
  const body = JSON.stringify(streamedChat)
  client.send(formatRequest('POST /v1/chat/completions', headers, body))
  return client
}

/** Resolves once the figure is above zero and has not changed for a while. */
async function untilStill(read: () => number): Promise<void> {
  let last = -1
  let stillSince = performance.now()
  await expect
    .poll(
      () => {
        const figure = read()
        if (figure !== last || figure === 0) stillSince = performance.now()
        last = figure
        return performance.now() - stillSince
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThan(1_000)
}

async function readRss(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
