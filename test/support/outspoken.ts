import path from 'node:path'
import { startPortico, type Answer, type Portico, type Settings } from './portico.ts'

const program = path.join(import.meta.dirname, '../fixtures/mcp/outspoken.ts')
const version = '2026-07-28'

/** A Portico with a server behind it, as the service `outspoken`, that says what the calls of its tools tell it to. */
export interface Outspoken extends AsyncDisposable {
  readonly portico: Portico
  /** Of a key that may use services and nothing else. */
  readonly key: string
  readonly serviceId: string
  /** Calls a tool as a client of the modern era does. */
  callModern(tool: ToolCall): Promise<Answer>
  /** Calls a tool as a client that knows JSON-RPC over POST and nothing else. */
  callPlainly(tool: ToolCall): Promise<Answer>
}

/** One call of a tool. */
interface ToolCall {
  /** `say` unless it says otherwise. */
  readonly name?: string
  readonly lines?: readonly string[]
  /** Of a modern client; it can be asked unless it says otherwise. */
  readonly capabilities?: object
  /** Members of `_meta` beside the envelope. */
  readonly meta?: object
  readonly signal?: AbortSignal
  /** Another key than that of the fixture. */
  readonly key?: string
}

/** The line with which `say` ends a call in good order. */
export const doneLine = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"_meta":{"done":true}}}'

/** Starts both. `upstream` and `fields` are for the service. */
export async function openOutspoken(
  options: {
    readonly upstream?: object
    readonly fields?: object
    readonly settings?: Settings
  } = {},
): Promise<Outspoken> {
  await using scope = new AsyncDisposableStack()
  const portico = scope.use(await startPortico(options.settings))
  const command = { kind: 'process', command: process.execPath, args: [program] }
  const { id: serviceId } = await portico.api<{ id: string }>('POST', '/api/services', {
    name: 'outspoken',
    upstream: { ...command, ...options.upstream },
    ...options.fields,
  })
  const { key } = await portico.createKey({ scopes: ['services:use'] })
  const send = (headers: Readonly<Record<string, string>>, params: object, tool: ToolCall) =>
    portico.send('POST', '/mcp/outspoken', {
      key: tool.key ?? key,
      headers,
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
      ...(tool.signal === undefined ? {} : { signal: tool.signal }),
    })
  const owned = scope.move()
  return {
    portico,
    key,
    serviceId,
    callPlainly(tool) {
      const { name = 'say', lines = [] } = tool
      return send({ accept: 'application/json' }, { name, arguments: { lines } }, tool)
    },
    callModern(tool) {
      const { name = 'say', lines = [], meta = {}, capabilities = { elicitation: {} } } = tool
      const headers = {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': version,
        'mcp-method': 'tools/call',
        'mcp-name': name,
      }
      const envelope = {
        'io.modelcontextprotocol/protocolVersion': version,
        'io.modelcontextprotocol/clientCapabilities': capabilities,
      }
      const params = { name, arguments: { lines }, _meta: { ...envelope, ...meta } }
      return send(headers, params, tool)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
