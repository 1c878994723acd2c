import type { CallToolResult, McpServer, Tool, Transport } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { AppError } from '../../../lib/errors.ts'
import type { Channel } from '../wire/channel.ts'
import { createHeldMessages } from '../wire/held-messages.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import { makeError, parseMessage } from '../wire/rpc-message.ts'
import { createBuiltinTool, type BuiltinServer, type BuiltinTool } from './builtin-tools.ts'

/**
 * Opens the channel to a built-in server that is made for it alone, so that its state lasts as long as the channel.
 * The other end speaks the protocol with the handshake. Whoever opened it disposes of it.
 */
export async function createBuiltinChannel(name: BuiltinServer): Promise<Channel> {
  const server = await createServer(name, createBuiltinTool(name))
  const { channel, transport } = createInProcessTransport()
  await server.connect(transport)
  return channel
}

/** The SDK is loaded when the first of these servers is used. */
async function createServer(name: BuiltinServer, tool: BuiltinTool): Promise<McpServer> {
  const { McpServer, ProtocolError, ProtocolErrorCode } =
    await import('@modelcontextprotocol/server')
  // Clients know these servers by this name (wire contract of Doroseek) and may look for it.
  const identity = { name: `mcp server ${name} on doroseek`, version: '0.1.0' }
  const mcp = new McpServer(identity)
  mcp.server.registerCapabilities({ tools: {} })
  // The tool is handled here and not registered: that would announce changes of the list, and word errors differently.
  mcp.server.setRequestHandler('tools/list', () => ({ tools: [describeTool(name, tool)] }))
  mcp.server.setRequestHandler('tools/call', ({ params }): CallToolResult => {
    if (params.name === name) return callTool(tool, params.arguments)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Tool ${params.name} not found`)
  })
  return mcp
}

function describeTool(name: BuiltinServer, { description, input }: BuiltinTool): Tool {
  const inputSchema = z.toJSONSchema(input, { io: 'input' }) as Tool['inputSchema']
  const annotations = { readOnlyHint: true, openWorldHint: false }
  return { name, description, inputSchema, annotations }
}

function callTool(tool: BuiltinTool, args: unknown): CallToolResult {
  try {
    return { content: [{ type: 'text', text: tool.run(args ?? {}) }] }
  } catch (error) {
    const text = JSON.stringify({ error: messageOf(error), status: 'failed' }, null, 2)
    return { content: [{ type: 'text', text }], isError: true }
  }
}

function messageOf(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error)
  return error instanceof Error ? error.message : String(error)
}

/** Two ends of one connection inside this process: bytes for us, parsed messages for the SDK. */
function createInProcessTransport(): { channel: Channel; transport: Transport } {
  const toClient = createHeldMessages()
  const closed = Promise.withResolvers<AppError | undefined>()
  let isOpen = true
  const transport: Transport = {
    start: () => Promise.resolve(),
    send: async (message) => {
      if (isOpen) toClient.push(Buffer.from(JSON.stringify(message)))
    },
    close: async () => {
      if (!isOpen) return
      isOpen = false
      closed.resolve(undefined)
      transport.onclose?.()
    },
  }
  const channel: Channel = {
    send(bytes) {
      if (!isOpen) return undefined
      const refusal = refusalOf(bytes)
      if (refusal === undefined) transport.onmessage?.(JSON.parse(bytes.toString()))
      else toClient.push(makeError(null, refusal).bytes)
      return undefined
    },
    receive: (onMessage) => toClient.receive(onMessage),
    closed: closed.promise,
    [Symbol.asyncDispose]: () => transport.close(),
  }
  return { channel, transport }
}

/** Why bytes are no message; undefined where they are one. */
function refusalOf(bytes: Buffer): RpcError | undefined {
  try {
    parseMessage(bytes)
    JSON.parse(bytes.toString())
    return undefined
  } catch (error) {
    return error instanceof SyntaxError
      ? new RpcError(rpcCodes.parseError, 'Parse error')
      : toRpcError(error)
  }
}
