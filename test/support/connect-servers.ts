import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

/** The script that a process of ours is started with. */
export const porticoEntry = path.join(import.meta.dirname, '../../src/bin.ts')

/** One request as a server saw it. */
interface Seen {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly rpcMethod: string | undefined
}

/** A server of the official SDK on a port of its own. */
export interface SdkServer extends AsyncDisposable {
  readonly url: string
  /** Every request, in order. */
  readonly seen: readonly Seen[]
}

/** One with sessions in memory. */
export interface SessionfulServer extends SdkServer {
  /** Forgets every session, as after a restart. */
  forget(): Promise<void>
  readonly sessions: number
  /** Sends something to every client that listens. */
  announce(): void
}

/**
 * A server of the protocol with the handshake (SDK v1): tools `echo`, `ask` (asks the client for input) and `hang` (until
 * it is cancelled). Unknown sessions are answered with 404.
 */
export async function startLegacySdkServer(): Promise<SessionfulServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const servers = new Set<LegacyServer>()
  const begin = async () => {
    const server = createLegacyTools()
    servers.add(server)
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    await server.connect(transport as Parameters<LegacyServer['connect']>[0])
    return transport
  }
  const server = await listen(async (req, res, body) => {
    const id = req.headers['mcp-session-id']
    const known = typeof id === 'string' ? transports.get(id) : undefined
    if (known !== undefined) return known.handleRequest(req, res, body)
    if (id !== undefined) return void res.writeHead(404).end()
    if (!isInitializeRequest(body)) return void res.writeHead(400).end()
    await (await begin()).handleRequest(req, res, body)
  })
  return {
    ...server,
    get sessions() {
      return transports.size
    },
    async forget() {
      const lost = [...transports.values()]
      transports.clear()
      await Promise.all(lost.map((transport) => transport.close()))
    },
    announce() {
      for (const each of servers) if (each.isConnected()) each.sendToolListChanged()
    },
  }
}

function createLegacyTools(): LegacyServer {
  const server = new LegacyServer({ name: 'legacy', version: '1' }, { capabilities: { tools: {} } })
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => textResult(text))
  server.registerTool('ask', {}, async () => {
    const requestedSchema = { type: 'object' as const, properties: {} }
    const { action } = await server.server.elicitInput({ message: 'Well?', requestedSchema })
    return textResult(action)
  })
  server.registerTool('hang', {}, async ({ signal }) => {
    const cancelled = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => cancelled.resolve())
    await cancelled.promise
    return textResult('never')
  })
  return server
}

/** A server of the protocol without sessions (SDK v2): tools `echo` and `hang`, which counts how often it was given up. */
export async function startModernSdkServer(): Promise<SdkServer & { readonly givenUp: number }> {
  let givenUp = 0
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'modern', version: '1' }, { capabilities: { tools: {} } })
    const inputSchema = z.object({ text: z.string() })
    server.registerTool('echo', { inputSchema }, ({ text }) => textResult(text))
    server.registerTool('hang', {}, async (context) => {
      const cancelled = Promise.withResolvers<void>()
      context.mcpReq.signal.addEventListener('abort', () => cancelled.resolve())
      await cancelled.promise
      givenUp += 1
      return textResult('never')
    })
    return server
  })
  const handle = toNodeHandler(handler)
  const server = await listen((req, res, body) =>
    handle(req as Parameters<typeof handle>[0], res, body),
  )
  return {
    ...server,
    get givenUp() {
      return givenUp
    },
  }
}

function textResult(text: string) {
  return { content: [{ type: 'text' as const, text }] }
}

type Handle = (req: IncomingMessage, res: ServerResponse, body: unknown) => Promise<void>

async function listen(handle: Handle): Promise<SdkServer> {
  const seen: Seen[] = []
  const server = createServer((req, res) => {
    void readBody(req).then((body) => {
      const rpcMethod = (body as { method?: string } | undefined)?.method
      seen.push({ method: req.method ?? '', headers: req.headers, rpcMethod })
      return handle(req, res, body)
    })
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    seen,
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<unknown>()
      server.close(closed.resolve)
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function readBody(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
}
