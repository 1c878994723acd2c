import { protocolVersions, toolText } from './mcp-traffic.ts'

/** A request as far as the mocks look at it. */
export interface AskedMessage {
  readonly id?: string | number
  readonly method?: string
  readonly params?: {
    readonly name?: string
    readonly protocolVersion?: string
    readonly _meta?: Readonly<Record<string, unknown>>
  }
}

const serverInfo = { name: 'mock', version: '1.0.0' }
const capabilities = { tools: {} }
const called = { content: [{ type: 'text', text: toolText }] }
const modern = {
  resultType: 'complete',
  _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
}
const calls = {
  legacy: `,"result":${JSON.stringify(called)}}`,
  modern: `,"result":${JSON.stringify({ ...called, ...modern })}}`,
}

/** Whether a request is of the modern era. */
export function isModern(message: AskedMessage): boolean {
  return message.params?._meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined
}

/** The answer to a request of either era as text; undefined to what wants none. `tool` is the name of the only tool. */
export function answer(message: AskedMessage, tool: string): string | undefined {
  if (message.id === undefined || message.method === undefined) return undefined
  const start = `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)}`
  const era = isModern(message) ? 'modern' : 'legacy'
  if (message.method === 'tools/call' && message.params?.name === tool) return start + calls[era]
  const result = results[message.method]?.(message, tool)
  if (result === undefined) {
    return `${start},"error":{"code":-32601,"message":"Unknown method or tool"}}`
  }
  const shared = era === 'modern' ? { ...modern, ttlMs: 60_000, cacheScope: 'public' } : {}
  return `${start},"result":${JSON.stringify({ ...result, ...shared })}}`
}

/** What a stream of changes begins with; the mocks never change. */
export function acknowledge({ id }: AskedMessage): string {
  const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
  const method = 'notifications/subscriptions/acknowledged'
  return JSON.stringify({ jsonrpc: '2.0', method, params: { notifications: {}, _meta } })
}

const results: Readonly<Record<string, (message: AskedMessage, tool: string) => object>> = {
  initialize: (message) => ({
    protocolVersion: message.params?.protocolVersion ?? protocolVersions.legacy,
    capabilities,
    serverInfo,
  }),
  ping: () => ({}),
  'server/discover': () => ({ supportedVersions: [protocolVersions.modern], capabilities }),
  'tools/list': (_, tool) => ({
    tools: [{ name: tool, description: 'Answers with a text.', inputSchema: { type: 'object' } }],
  }),
}
