import { DatabaseSync } from 'node:sqlite'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { holdStream } from './support/held-stream.ts'
import { createHome, processAdminKey, runProcess, startProcess } from './support/portico-process.ts'
import type { PorticoHome, PorticoProcess } from './support/portico-process.ts'
import { openRawClient } from './support/raw-client.ts'
import { startUpstream } from './support/upstream.ts'

const patience = { timeout: 5_000, interval: 20 }
const chat = { model: 'm', stream: true, messages: [{ role: 'user', content: 'Hello' }] }

test('SIGTERM lets streams finish, is not ready at once, and exits 0 with every row written', async () => {
  await using upstream = await startUpstream()
  await using home = await createHome()
  await using portico = await startProcess(home)
  await portico.addProvider(upstream)
  const held = holdStream()
  upstream.script(held.behaviour)
  const streams = await Promise.all([startChat(portico), startChat(portico), startChat(portico)])

  portico.child.kill('SIGTERM')
  await vi.waitFor(async () => expect(await statusOf(portico, '/readyz')).toBe(503), patience)
  const late = await portico.ask('GET', '/v1/models')
  expect([late.status, late.headers.get('connection')]).toEqual([200, 'close'])

  held.release()
  for (const stream of streams) expect(await stream.rest()).toContain('data: [DONE]')
  expect(await portico.ended()).toMatchObject({ code: 0, signal: null })
  expect(readUsage(home)).toEqual(Array(3).fill({ status: 200, abortedBy: null }))
  expect(portico.output.match(/"msg":"request"/g)?.length).toBeGreaterThanOrEqual(6)
})

test('streams that outlast the limit are told so, cut, and accounted for', async () => {
  await using upstream = await startUpstream()
  await using home = await createHome()
  await home.configure({ server: { shutdownTimeoutMs: 200 } })
  await using portico = await startProcess(home)
  await portico.addProvider(upstream)
  upstream.script(holdStream().behaviour)
  const stream = await startChat(portico)

  portico.child.kill('SIGTERM')
  const rest = await stream.rest()
  expect(rest).toContain('"code":"stream_interrupted"')
  expect(rest).toContain('shutting down')
  expect(rest).not.toContain('[DONE]')
  expect(stream.isComplete()).toBe(false)
  expect(await portico.ended()).toMatchObject({ code: 0, signal: null })
  expect(readUsage(home)).toHaveLength(1)
  expect(portico.output).toMatch(/"status":200.*"complete":false.*"error":"overloaded"/)
})

test('neither a stream of settings, an idle connection nor a WebSocket holds up the end for long', async () => {
  await using upstream = await startUpstream()
  await using home = await createHome()
  await home.configure({ server: { shutdownTimeoutMs: 300 } })
  await using portico = await startProcess(home)
  await portico.addProvider(upstream)
  const settings = await fetch(`${portico.url}/${processAdminKey}`, {
    headers: { accept: 'text/event-stream' },
  })
  using idle = await openRawClient(portico.port)
  const socket = new WebSocket(`${portico.url.replace('http', 'ws')}/v1/realtime?model=m`, {
    headers: { authorization: `Bearer ${processAdminKey}` },
  })
  const echoed = Promise.withResolvers<string>()
  const closed = Promise.withResolvers<number>()
  socket.on('message', (data: Buffer) => echoed.resolve(data.toString()))
  socket.on('close', (code) => closed.resolve(code))
  socket.on('open', () => socket.send('still here'))
  expect(await echoed.promise).toBe('still here')

  portico.child.kill('SIGTERM')
  expect(await settings.text()).toContain('"keys":')
  await closed.promise
  await idle.closed
  const { code, ms } = await portico.ended()
  expect(code).toBe(0)
  expect(ms).toBeLessThan(3_000)
})

test('a second signal ends it now', async () => {
  await using upstream = await startUpstream()
  await using home = await createHome()
  await using portico = await startProcess(home)
  await portico.addProvider(upstream)
  upstream.script(holdStream().behaviour)
  const stream = await startChat(portico)

  portico.child.kill('SIGTERM')
  await vi.waitFor(() => {
    portico.child.kill('SIGTERM')
    expect(portico.child.signalCode).toBe('SIGINT')
  }, patience)
  await stream.rest()
  expect(stream.isComplete()).toBe(false)
})

test('what was acknowledged is there after kill -9 and a restart', async () => {
  await using home = await createHome()
  const first = await startProcess(home)
  const body = { name: 'kept', scopes: ['models:use'] }
  const made = await first.ask('POST', '/api/keys', { body })
  const { key } = (await made.json()) as { key: string }
  first.child.kill('SIGKILL')
  await first.ended()

  await using second = await startProcess(home)
  expect((await second.ask('GET', '/v1/models', { key })).status).toBe(200)
})

test('a second start on the same data folder fails with a message and leaves the first alone', async () => {
  await using home = await createHome()
  await using portico = await startProcess(home)
  const { code, output } = await runProcess(home)
  expect(code).toBe(1)
  expect(output).toContain('Stop it, or use another data folder.')
  expect(await statusOf(portico, '/readyz')).toBe(200)
})

test('a port that is taken ends the start with a message', async () => {
  await using home = await createHome()
  await using other = await createHome()
  await using portico = await startProcess(home)
  const { code, output } = await runProcess(other, ['--port', String(portico.port)])
  expect(code).toBe(1)
  expect(output).toContain('EADDRINUSE')
})

test('an invalid configuration is refused as a whole, with every mistake, and nothing is started', async () => {
  await using home = await createHome()
  await home.configure('server:\n  prot: 1\n  port: 99999\nlog:\n  level: loud\n')
  const { code, output } = await runProcess(home)
  expect(code).toBe(2)
  expect(output).toMatch(/server\.prot/)
  expect(output).toMatch(/log\.level/)
  expect(existsSync(home.dataDir)).toBe(false)
})

async function statusOf(portico: PorticoProcess, route: string): Promise<number> {
  const response = await portico.ask('GET', route)
  await response.body?.cancel()
  return response.status
}

/** Starts a streamed chat and resolves once its first word is here. */
async function startChat(portico: PorticoProcess) {
  const response = await portico.ask('POST', '/v1/chat/completions', { body: chat })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  let isComplete = false
  const read = async (): Promise<boolean> => {
    const { done, value } = await reader.read()
    isComplete = done
    text += decoder.decode(value, { stream: true })
    return !done
  }
  while (!text.includes('first')) await read()
  return {
    isComplete: () => isComplete,
    /** Everything that comes after the first word, up to the end or the cut. */
    async rest(): Promise<string> {
      const before = text.length
      const readOn = async (): Promise<void> => {
        while (await read());
      }
      await readOn().catch(() => {})
      return text.slice(before)
    },
  }
}

function readUsage({ dataDir }: PorticoHome): unknown[] {
  using database = new DatabaseSync(path.join(dataDir, 'portico.db'), { readOnly: true })
  const rows = database.prepare('select status, "abortedBy" from usage').all()
  return rows.map((row) => ({ ...row }))
}
