import { execFile } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { ensurePeer } from '../scripts/peers.ts'
import { openStream } from './support/mcp-client.ts'
import { misbehaving, realServer } from './support/mcp-fixture.ts'
import { startMcpGateway, textIn } from './support/mcp-gateway.ts'
import type { McpGateway } from './support/mcp-gateway.ts'
import { openClientV2 } from './support/mcp-sdk-clients.ts'

const add = { name: 'get-sum', arguments: { a: 2, b: 3 } }
const answers = { elicitation: { name: 'Ada' }, sampling: 'Blue', roots: ['file:///work/portico'] }
const modes = [
  { mode: 'legacy', era: 'legacy' },
  { mode: 'auto', era: 'modern' },
  { mode: { pin: '2026-07-28' }, era: 'modern' },
] as const

async function startEverythingGateway(): Promise<McpGateway> {
  const gateway = await startMcpGateway()
  await gateway.addProgram('everything', realServer('everything'), { isolation: 'per-user' })
  return gateway
}

test('clients of SDK 2 call, ask and are asked in every mode of negotiation', async () => {
  await using gateway = await startEverythingGateway()
  for (const { mode, era } of modes) {
    await using client = await openClientV2({ ...gateway, path: '/everything', mode, answers })
    expect(client.getProtocolEra()).toBe(era)
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('get-roots-list')
    expect(textIn(await client.callTool(add))).toBe('The sum of 2 and 3 is 5.')
    const asked = await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })
    expect(JSON.stringify(asked.content)).toContain('- Name: Ada')
    const prompt = { name: 'trigger-sampling-request', arguments: { prompt: 'Color?' } }
    expect(textIn(await client.callTool(prompt))).toContain('Blue')
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'S' },
    })
    expect(completion.values).toEqual(['Sales', 'Support'])
    const uri = 'demo://resource/static/document/features.md'
    expect((await client.readResource({ uri })).contents[0]).toMatchObject({ uri })
  }
})

test('progress comes whole and before the answer, and a call that is given up ends at the server', async () => {
  await using gateway = await startEverythingGateway()
  await gateway.addProgram('slow', misbehaving('slow-call'))
  for (const { mode } of modes) {
    await using client = await openClientV2({ ...gateway, path: '/everything', mode })
    const seen: number[] = []
    const long = { name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } }
    await client.callTool(long, { onprogress: ({ progress }) => seen.push(progress) })
    expect(seen.slice(0, 3)).toEqual([1, 2, 3])

    await using slow = await openClientV2({ ...gateway, path: '/slow', mode })
    const count = async () => Number(textIn(await slow.callTool({ name: 'cancelled' })))
    const before = await count()
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const held = slow.callTool({ name: 'wait', arguments: { ms: 60_000 } }, options)
    await vi.waitFor(async () => {
      const running = await gateway.portico.api('GET', '/api/services/slow/metrics')
      expect(running).toMatchObject({ callsRunning: 1 })
    }, 8_000)
    controller.abort('enough')
    await expect(held).rejects.toThrow('enough')
    await vi.waitFor(async () => expect(await count()).toBe(before + 1), 8_000)
  }
  await using stream = await openStream(
    `${gateway.portico.url}/mcp/everything`,
    modernHeaders(gateway.key, 'trigger-long-running-operation'),
    modernCall('trigger-long-running-operation', { duration: 0.1, steps: 4 }),
  )
  await stream.ended
  const messages = stream.events.map(({ data }) => JSON.parse(data) as Message)
  expect(messages.map(({ params }) => params?.progress)).toEqual([1, 2, 3, 4, undefined])
  expect(messages.at(-1)).toMatchObject({ id: 7, result: { resultType: 'complete' } })
})

test('a listener of revision 2026-07-28 hears of resources that a server with sessions updates', async () => {
  await using gateway = await startEverythingGateway()
  await using client = await openClientV2({ ...gateway, path: '/everything' })
  const uri = 'demo://resource/dynamic/text/1'
  const updated = vi.fn<(uri: string) => void>()
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    updated(params.uri)
  })
  const subscription = await client.listen({ resourceSubscriptions: [uri] })
  expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: [uri] })
  await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} })
  await vi.waitUntil(() => updated.mock.calls.length > 0, 8_000)
  expect(updated).toHaveBeenCalledWith(uri)
  await subscription.close()
  expect(await subscription.closed).toBe('local')
})

test('the Inspector lists and calls the tools of a service', async () => {
  await using gateway = await startEverythingGateway()
  const inspector = await ensurePeer('inspector')
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'portico-inspector-'))
  const run = async (...args: string[]) => {
    const url = `${gateway.portico.url}/mcp/everything`
    const header = ['--header', `Authorization: Bearer ${gateway.key}`]
    const output = ['--format', 'json', '--stored-auth-only', '--transport', 'http']
    const all = [inspector, '--cli', url, ...output, ...header, ...args]
    const env = { PATH: process.env['PATH'], HOME: home.path }
    const { stdout } = await promisify(execFile)(process.execPath, all, { env })
    return stdout
  }
  const listed = await run('--method', 'tools/list')
  expect(listed).toContain('trigger-long-running-operation')
  const args = ['--tool-name', 'get-sum', '--tool-arg', 'a=2', '--tool-arg', 'b=3']
  expect(await run('--method', 'tools/call', ...args)).toContain('The sum of 2 and 3 is 5.')
}, 60_000)

interface Message {
  readonly params?: { readonly progress?: number }
}

function modernHeaders(key: string, tool: string): Record<string, string> {
  return {
    authorization: `Bearer ${key}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': tool,
  }
}

function modernCall(name: string, args: object): object {
  const _meta = {
    progressToken: 'p',
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  }
  return { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name, arguments: args, _meta } }
}
