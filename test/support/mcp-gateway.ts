import { expect } from 'vitest'
import type { Command } from './mcp-fixture.ts'
import { startPortico } from './portico.ts'
import type { Answer, Portico, Settings } from './portico.ts'

/** A JSON-RPC response as a test looks into it. */
// oxlint-disable-next-line typescript/no-explicit-any -- answers of foreign servers are looked into, not typed
type Loose = any

/** A Portico for MCP services, and a key that may use them all. */
export interface McpGateway extends AsyncDisposable {
  readonly portico: Portico
  readonly key: string
  /** Adds a program as a service. `fields` are those of the management API; `env` and the like go into `upstream`. */
  addProgram(name: string, program: Command, fields?: ProgramFields): Promise<void>
  /** Adds a server on loopback as a service. */
  addRemote(name: string, url: string, transport?: string): Promise<void>
  /** Makes a plain JSON-RPC call and returns its result. Throws on an error. `path` is below `/mcp`, `''` or with a slash. */
  call(path: string, method: string, params?: object): Promise<Loose>
  /** The same with another key. */
  as(key: string): Pick<McpGateway, 'call' | 'toolNames'>
  /** Posts a message as a plain client does. */
  post(path: string, body: object | string, headers?: Record<string, string>): Promise<Answer>
  /** Names of the tools below the path, in order. */
  toolNames(path: string): Promise<string[]>
}

interface ProgramFields {
  readonly upstream?: object
  readonly [field: string]: unknown
}

/** Starts Portico with a key for services, which may also stand in a URL. */
export async function startMcpGateway(settings: Settings = {}): Promise<McpGateway> {
  // Servers of SDK 1 do not end with their input.
  const portico = await startPortico({ 'processes.stopStdinMs': 100, ...settings })
  const { key } = await portico.createKey({ scopes: ['services:use'], allowQuery: true })
  const as: McpGateway['as'] = (caller) => {
    const call: McpGateway['call'] = async (path, method, params = {}) => {
      const body = { jsonrpc: '2.0', id: 1, method, params }
      const answer = await portico.send('POST', `/mcp${path}`, { key: caller, body })
      const isJson = answer.text.startsWith('{')
      const { result } = isJson ? answer.json<{ result?: unknown }>() : {}
      if (result === undefined) throw new Error(`${method}: ${answer.status} ${answer.text}`)
      return result
    }
    const toolNames = async (path: string) => {
      const { tools } = (await call(path, 'tools/list')) as { tools: { name: string }[] }
      return tools.map(({ name }) => name)
    }
    return { call, toolNames }
  }
  return {
    portico,
    key,
    as,
    ...as(key),
    async addProgram(name, { command, args }, { upstream, ...fields } = {}) {
      const program = { kind: 'process', command, args, ...upstream }
      await portico.api('POST', '/api/services', { name, upstream: program, ...fields })
    },
    async addRemote(name, url, transport = 'auto') {
      const upstream = { kind: 'remote', url, transport, allowPrivate: true }
      await portico.api('POST', '/api/services', { name, upstream })
    },
    post: (path, body, headers = {}) => portico.send('POST', `/mcp${path}`, { key, body, headers }),
    [Symbol.asyncDispose]: () => portico[Symbol.asyncDispose](),
  }
}

/** The text of the first block of a tool's result. */
export function textIn(result: Loose): string {
  const [block] = result.content as { text?: string }[]
  expect(block?.text).toBeTypeOf('string')
  return block?.text ?? ''
}
