import { Client as ClientV2 } from '@modelcontextprotocol/client'
import {
  SSEClientTransport as SseV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { expect, test } from 'vitest'
import { until } from '../../../../test/support/mcp-client.ts'
import { openMcpFront } from '../../../../test/support/mcp-front.ts'
import { makeNotification } from '../wire/rpc-message.ts'

const requestInit = { headers: { authorization: 'Bearer alice' } }
const info = { name: 'sdk', version: '1' }

async function exerciseV1(transport: Transport): Promise<void> {
  const client = new ClientV1(info, { capabilities: { elicitation: {} } })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { a: 'b' } }))
  await client.connect(transport)
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toContain('echo')
  const echoed = await client.callTool({ name: 'echo', arguments: { say: 'hi' } })
  expect(echoed.content).toEqual([{ type: 'text', text: '{"say":"hi"}' }])
  const seen: number[] = []
  await client.callTool({ name: 'progress', arguments: {} }, undefined, {
    onprogress: ({ progress }) => seen.push(progress),
  })
  expect(seen).toEqual([1, 2])
  const asked = await client.callTool({ name: 'ask', arguments: {} })
  expect(JSON.stringify(asked.content)).toContain('accept')
  await expect(client.callTool({ name: 'nothing', arguments: {} })).rejects.toThrow('Unknown tool')
  await client.close()
}

/** The types of the SDK and `exactOptionalPropertyTypes` do not agree on optional members. */
function asTransport(transport: unknown): Transport {
  return transport as Transport
}

test('a client of SDK 1 works over Streamable HTTP', async () => {
  await using fixture = await openMcpFront()
  await exerciseV1(asTransport(new HttpV1(new URL(`${fixture.url}/one`), { requestInit })))
  expect(fixture.front.running).toBe(0)
})

test('a client of SDK 1 works over HTTP+SSE', async () => {
  await using fixture = await openMcpFront()
  await exerciseV1(asTransport(new SseV1(new URL(`${fixture.url}/one/sse`), { requestInit })))
  await until(() => fixture.front.sessions.sse === 0)
  expect(fixture.one.alive).toHaveLength(0)
})

test('a client of SDK 1 works over WebSocket', async () => {
  await using fixture = await openMcpFront()
  const url = new URL(`ws://127.0.0.1:${fixture.port}/mcp/ws?service=one&api_key=alice`)
  await exerciseV1(asTransport(new WebSocketClientTransport(url)))
  await until(() => fixture.front.sessions.webSocket === 0)
  expect(fixture.one.alive).toHaveLength(0)
})

test('a client of SDK 1 hears of changes on its own stream, and ends its session', async () => {
  await using fixture = await openMcpFront()
  const client = new ClientV1(info)
  const changed = Promise.withResolvers<void>()
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve())
  const transport = new HttpV1(new URL(`${fixture.url}/one`), { requestInit })
  await client.connect(asTransport(transport))
  await until(() => fixture.one.relays[0]?.listeners.size === 1)
  for (const listener of fixture.one.relays[0]?.listeners ?? []) {
    listener.onNotification(makeNotification('notifications/tools/list_changed'))
  }
  await changed.promise
  await transport.terminateSession()
  await client.close()
  expect(fixture.front.sessions.streamable).toBe(0)
  expect(fixture.one.alive).toHaveLength(0)
})

test('a client of SDK 2 in its legacy mode works over Streamable HTTP and HTTP+SSE', async () => {
  await using fixture = await openMcpFront()
  for (const transport of [
    new HttpV2(new URL(`${fixture.url}/one`), { requestInit }),
    new SseV2(new URL(`${fixture.url}/one/sse`), { requestInit }),
  ]) {
    const client = new ClientV2(info)
    await client.connect(transport)
    const { tools } = await client.listTools()
    expect(tools).toHaveLength(4)
    const result = await client.callTool({ name: 'echo', arguments: { say: 'hi' } })
    expect(result.content).toEqual([{ type: 'text', text: '{"say":"hi"}' }])
    await client.close()
  }
})

test('a client of SDK 2 of revision 2026-07-28 needs no session, and cancels by leaving', async () => {
  await using fixture = await openMcpFront()
  const client = new ClientV2(info, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new HttpV2(new URL(`${fixture.url}/one`), { requestInit }))
  const { tools } = await client.listTools()
  expect(tools).toHaveLength(4)
  const seen: number[] = []
  await client.callTool(
    { name: 'progress', arguments: {} },
    { onprogress: ({ progress }: { progress: number }) => seen.push(progress) },
  )
  expect(seen).toEqual([1, 2])
  const controller = new AbortController()
  const held = client
    .callTool({ name: 'hold', arguments: {} }, { signal: controller.signal })
    .catch((error: unknown) => error)
  const isHeld = () => fixture.one.relays.some((relay) => relay.held.size > 0)
  await until(isHeld)
  controller.abort()
  expect(await held).toBeInstanceOf(Error)
  await until(() => !isHeld())
  await client.close()
  expect(fixture.front.sessions.streamable).toBe(0)
  await until(() => fixture.one.alive.length === 0)
  expect(fixture.one.relays.every(({ profile }) => profile.era === 'modern')).toBe(true)
})
