import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import {
  StreamableHTTPServerTransport,
  type EventStore,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { createMcpHandler, McpServer, type McpHttpHandler } from '@modelcontextprotocol/server'
import { z } from 'zod'

/** A server on a free loopback port that cuts every connection when it is disposed of. */
export interface TestServer extends AsyncDisposable {
  /** Of the MCP endpoint. */
  readonly url: string
  /** Every request so far: method, path and headers. */
  readonly requests: readonly Pick<IncomingMessage, 'method' | 'url' | 'headers'>[]
}

type Handle = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

/** Serves HTTP with one function. `path` is that of the endpoint. */
export async function serveHttp(handle: Handle, path = '/mcp'): Promise<TestServer> {
  const requests: TestServer['requests'][number][] = []
  const server = createServer((req, res) => {
    requests.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers })
    void Promise.resolve(handle(req, res)).catch(() => res.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${path}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** The sessions of a legacy server, made with the official package. */
export interface LegacyTestServer extends TestServer {
  readonly sessions: ReadonlyMap<string, LegacyServer>
  /** Forgets all sessions, as a restart does. */
  forget(): void
  /** Reasons of the calls that were cancelled. */
  readonly cancelled: readonly unknown[]
}

/** Streamable HTTP with sessions and events that can be read again. */
export async function serveSessions(
  options: { resumable?: boolean } = {},
): Promise<LegacyTestServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const sessions = new Map<string, LegacyServer>()
  const cancelled: unknown[] = []
  const eventStore = options.resumable === true ? createEventStore() : undefined
  const begin = async () => {
    const server = createLegacyServer(cancelled)
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      retryInterval: 10,
      ...(eventStore === undefined ? {} : { eventStore }),
      onsessioninitialized: (id) => {
        transports.set(id, transport)
        sessions.set(id, server)
      },
      onsessionclosed: (id) => {
        transports.delete(id)
        sessions.delete(id)
      },
    })
    // The types of the package do not agree with exactOptionalPropertyTypes.
    await server.connect(transport as Parameters<typeof server.connect>[0])
    return transport
  }
  const served = await serveHttp(async (req, res) => {
    const id = req.headers['mcp-session-id'] as string | undefined
    if (id !== undefined && !transports.has(id)) {
      res.writeHead(404, { 'content-type': 'application/json' })
      res.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}')
      return
    }
    const transport = id === undefined ? await begin() : transports.get(id)
    await transport?.handleRequest(req, res)
  })
  const forget = () => {
    transports.clear()
    sessions.clear()
  }
  return { ...served, sessions, cancelled, forget }
}

/** HTTP with SSE, revision 2024-11-05. */
export async function serveSse(): Promise<LegacyTestServer> {
  const transports = new Map<string, SSEServerTransport>()
  const sessions = new Map<string, LegacyServer>()
  const cancelled: unknown[] = []
  const served = await serveHttp(async (req, res) => {
    const url = new URL(req.url ?? '/', 'http://x')
    if (req.method === 'GET' && url.pathname === '/sse') {
      const transport = new SSEServerTransport('/message', res)
      const server = createLegacyServer(cancelled)
      transports.set(transport.sessionId, transport)
      sessions.set(transport.sessionId, server)
      await server.connect(transport)
    } else if (req.method === 'POST' && url.pathname === '/message') {
      await transports.get(url.searchParams.get('sessionId') ?? '')?.handlePostMessage(req, res)
    } else {
      res.writeHead(req.method === 'POST' ? 405 : 404).end()
    }
  }, '/sse')
  return { ...served, sessions, cancelled, forget: () => transports.clear() }
}

/** A legacy server with tools that echo, report progress, ask their client, wait to be cancelled, and let their stream end early. */
function createLegacyServer(cancelled: unknown[]): LegacyServer {
  const server = new LegacyServer(
    { name: 'legacy', version: '1' },
    { capabilities: { logging: {} }, instructions: 'Be kind.' },
  )
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  server.registerTool('echo', { inputSchema: { text: z.string() } }, (input) => text(input.text))
  server.registerTool('steps', {}, async ({ _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken ?? 0
    for (const progress of [1, 2, 3]) {
      await sendNotification({
        method: 'notifications/progress',
        params: { progressToken, progress },
      })
    }
    return text('done')
  })
  server.registerTool('ask', {}, async ({ sendRequest }) => {
    const roots = await sendRequest(
      { method: 'roots/list' },
      z.looseObject({ roots: z.array(z.unknown()) }),
    )
    return text(JSON.stringify(roots))
  })
  server.registerTool('wait', {}, async ({ signal }) => {
    await once(signal, 'abort')
    cancelled.push(signal.reason)
    return text('cancelled')
  })
  server.registerTool('detach', {}, async ({ closeSSEStream, sendNotification }) => {
    closeSSEStream?.()
    await sendNotification({
      method: 'notifications/message',
      params: { level: 'info', data: 'x' },
    })
    return text('taken up')
  })
  return server
}

function createEventStore(): EventStore {
  const events: { id: string; streamId: string; message: JSONRPCMessage }[] = []
  return {
    async storeEvent(streamId, message) {
      const id = `${streamId}/${events.length}`
      events.push({ id, streamId, message })
      return id
    },
    async replayEventsAfter(lastEventId, { send }) {
      const from = events.findIndex(({ id }) => id === lastEventId)
      const streamId = events[from]?.streamId ?? ''
      for (const event of events.slice(from + 1)) {
        if (event.streamId === streamId) await send(event.id, event.message)
      }
      return streamId
    },
  }
}

/** A server of the modern era, made with the official package. */
export interface ModernTestServer extends TestServer {
  readonly notify: McpHttpHandler['notify']
  readonly cancelled: readonly unknown[]
}

/** Serves revision 2026-07-28 alone, or with the stateless legacy service that the package has. */
export async function serveModern(
  options: { legacy?: 'stateless' | 'reject' } = {},
): Promise<ModernTestServer> {
  const cancelled: unknown[] = []
  const handler = createMcpHandler(() => createModernServer(cancelled), {
    legacy: options.legacy ?? 'reject',
  })
  const serve = toNodeHandler(handler)
  const served = await serveHttp((req, res) =>
    // The types of the package do not agree with exactOptionalPropertyTypes.
    serve(req as Parameters<typeof serve>[0], res),
  )
  return {
    ...served,
    notify: handler.notify,
    cancelled,
    async [Symbol.asyncDispose]() {
      await handler.close()
      await served[Symbol.asyncDispose]()
    },
  }
}

function createModernServer(cancelled: unknown[]): McpServer {
  const server = new McpServer(
    { name: 'modern', version: '1' },
    { capabilities: { tools: { listChanged: true } }, instructions: 'Be brief.' },
  )
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, (input) =>
    text(input.text),
  )
  server.registerTool('steps', {}, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0
    for (const progress of [1, 2, 3]) {
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress } })
    }
    return text('done')
  })
  server.registerTool('wait', {}, async ({ mcpReq }) => {
    await once(mcpReq.signal, 'abort')
    cancelled.push(mcpReq.signal.reason)
    return text('cancelled')
  })
  return server
}
