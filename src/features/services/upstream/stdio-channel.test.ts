import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { call, logCall, logListener, requestFrom } from '../../../../test/support/call-log.ts'
import { startChild, type TestChild } from '../../../../test/support/child.ts'
import type { OpenChannelOptions } from './channel-connection.ts'
import { openStdioConnection, probeStdioEra } from './stdio-channel.ts'

const everything = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-everything/dist/index.js',
)

const startEverything = () => startChild([everything, 'stdio'])

function startScript(source: string): TestChild {
  return startChild(['--input-type=module', '--eval', source])
}

function connect(child: TestChild, options: Partial<OpenChannelOptions> = {}) {
  return openStdioConnection(child, {
    era: 'legacy',
    client: { capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    signal: AbortSignal.timeout(10_000),
    onNoise() {},
    ...options,
  })
}

const modern = `
  import { McpServer } from '@modelcontextprotocol/server'
  import { serveStdio } from '@modelcontextprotocol/server/stdio'
  serveStdio(() => {
    const server = new McpServer({ name: 'm', version: '1' }, { capabilities: { tools: {} } })
    server.registerTool('hi', {}, () => ({ content: [{ type: 'text', text: 'hi' }] }))
    return server
  }, { legacy: 'reject' })
`

/** A server that answers the handshake, and does what `act` says with every other message. */
const handmade = (act: string) => `
  import { createInterface } from 'node:readline'
  const say = (text) => process.stdout.write(text + '\\n')
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} }
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line)
    if (method === 'initialize') return say(JSON.stringify({ jsonrpc: '2.0', id, result: hello }))
    ${act}
  })
`

test('a server is spoken with on its standard streams, with progress and first messages', async () => {
  await using child = startEverything()
  const listener = logListener()
  await using connection = await connect(child, {
    listener,
    client: { capabilities: { roots: {} }, clientInfo: { name: 'test', version: '1' } },
  })
  expect(connection.hello).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25' })
  expect((await listener.asked).request.method).toBe('roots/list')
  const log = logCall()
  connection.request(
    requestFrom(
      '{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"trigger-long-running-operation","arguments":{"duration":0.2,"steps":2},"_meta":{"progressToken":"p"}}}',
    ),
    log,
  )
  expect((await log.answer).bytes.toString()).toContain('"id":"1"')
  expect(log.order).toEqual(['notification', 'notification', 'response'])
})

test('the era of a server is found out by asking', async () => {
  await using legacy = startEverything()
  expect(await probeStdioEra(legacy)).toBe('legacy')
  await using newer = startScript(modern)
  expect(await probeStdioEra(newer)).toBe('modern')
})

test('silence and exit are legacy', async () => {
  await using silent = startScript('process.stdin.resume()')
  expect(await probeStdioEra(silent, { timeoutMs: 100 })).toBe('legacy')
  await using leaving = startScript('process.stdin.once("data", () => process.stdin.destroy())')
  expect(await probeStdioEra(leaving)).toBe('legacy')
  await using waiting = startScript('process.stdin.resume()')
  const gaveUp = probeStdioEra(waiting, { signal: AbortSignal.timeout(50) })
  await expect(gaveUp).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('a modern server is called on the same streams by all', async () => {
  await using child = startScript(modern)
  await using connection = await connect(child, { era: 'modern' })
  expect(connection.hello).toMatchObject({ era: 'modern', serverInfo: { name: 'm' } })
  const envelope =
    '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}'
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hi","_meta":{${envelope}}}}`
  expect(await call(connection, text)).toContain('"text":"hi"')
})

test('lines that are no messages are noise', async () => {
  await using child = startScript(
    `console.log('Starting…')\n${handmade(
      `say('working'); if (id) say(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))`,
    )}`,
  )
  const noise: string[] = []
  await using connection = await connect(child, { onNoise: (text) => noise.push(text) })
  expect(await call(connection, '{"jsonrpc":"2.0","id":"n","method":"m"}')).toContain('"id":"n"')
  expect(noise).toEqual(['Starting…', 'working', 'working'])
})

test('a message with line breaks is sent as one line', async () => {
  await using child = startScript(
    handmade(`if (id) say(JSON.stringify({ jsonrpc: '2.0', id, result: { line } }))`),
  )
  await using connection = await connect(child)
  const text = '{\r\n  "jsonrpc": "2.0",\n  "id": 1,\n  "method": "m"\n}'
  expect(await call(connection, text)).toContain(String.raw`\"method\": \"m\" }`)
})

test('the end of the program fails the calls and ends the connection', async () => {
  await using child = startScript(handmade(''))
  await using connection = await connect(child)
  const log = logCall()
  connection.request(requestFrom('{"jsonrpc":"2.0","id":1,"method":"m"}'), log)
  child.kill()
  await expect(log.answer).rejects.toMatchObject({
    code: 'service_failed',
    message: 'The program behind the service ended with SIGKILL.',
  })
  expect((await connection.closed)?.code).toBe('service_failed')
})
