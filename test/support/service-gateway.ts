import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { isRunning } from './processes.ts'
import type { Command } from './mcp-fixture.ts'
import { mcpHeaders } from './mcp-client.ts'
import type { post } from './mcp-client.ts'
import { startPortico } from './portico.ts'
import type { Portico, Settings } from './portico.ts'

/** The fields of a service that these tests look at. */
interface ServiceShown {
  readonly id: string
  readonly state: string
  readonly instances: number
  readonly callsRunning: number
  readonly toolCount: number | null
  readonly pendingChanges: number
  readonly lastError: string | null
  readonly stderr: readonly string[]
  readonly metrics: { readonly pid: number | null } | null
}

/** A whole Portico with MCP services, and a key that may use them. */
export interface ServiceGateway extends AsyncDisposable {
  readonly portico: Portico
  /** Of the key with which clients come unless they have another. */
  readonly key: string
  /** Creates a service and gives its id. A URL is a server that listens, a command is a program. */
  add(name: string, upstream: Command | string, fields?: object): Promise<string>
  /** A service as the management API shows it. */
  show(id: string): Promise<ServiceShown>
  /** Issues another key with `services:use`. */
  issueKey(fields?: object): Promise<{ readonly id: string; readonly key: string }>
  /** The MCP URL of a service or bundle; of everything where no name is given. */
  url(name?: string): string
  /** Headers of a client with this key, or with the usual one. */
  headers(key?: string): Record<string, string>
  /** Connects a client of the era with the handshake. It is closed with the gateway. */
  connect(name: string, options?: ClientOptions): Promise<Client>
  /** Connects a client of revision 2026-07-28. It is closed with the gateway. */
  connectModern(name: string, options?: ClientOptions): Promise<ModernClient>
}

/** How a client differs from one with the usual key that cannot be asked anything. */
interface ClientOptions {
  readonly key?: string
  readonly capabilities?: { readonly elicitation?: Record<string, never> }
}

const clientInfo = { name: 'test', version: '1' }

/** Starts Portico and issues the key. `settings` as `startPortico` takes them. */
export async function startServiceGateway(settings: Settings = {}): Promise<ServiceGateway> {
  await using scope = new AsyncDisposableStack()
  const portico = scope.use(await startPortico(settings))
  const issueKey: ServiceGateway['issueKey'] = (fields = {}) =>
    portico.createKey({ scopes: ['services:use'], ...fields })
  const { key } = await issueKey()
  const url = (name?: string) => `${portico.url}/mcp${name === undefined ? '' : `/${name}`}`
  const clients = scope.use(new AsyncDisposableStack())
  const requestInit = (chosen = key) => ({ headers: { authorization: `Bearer ${chosen}` } })
  const owned = scope.move()
  return {
    portico,
    key,
    issueKey,
    url,
    async add(name, upstream, fields = {}) {
      const body = { name, upstream: upstreamOf(upstream), ...fields }
      const { id } = await portico.api<{ id: string }>('POST', '/api/services', body)
      return id
    },
    show: (id) => portico.api('GET', `/api/services/${id}`),
    headers: (chosen = key) => ({ ...mcpHeaders, ...requestInit(chosen).headers }),
    async connect(name, options = {}) {
      const { capabilities = {} } = options
      const client = new Client(clientInfo, { capabilities })
      clients.defer(() => client.close())
      const init = { requestInit: requestInit(options.key) }
      // The types of the package do not agree with exactOptionalPropertyTypes.
      const transport = new StreamableHTTPClientTransport(new URL(url(name)), init) as Transport
      await client.connect(transport)
      return client
    },
    async connectModern(name, options = {}) {
      const { capabilities = {} } = options
      const versionNegotiation = { mode: 'auto' } as const
      const client = new ModernClient(clientInfo, { capabilities, versionNegotiation })
      clients.defer(() => client.close())
      const init = { requestInit: requestInit(options.key) }
      await client.connect(new ModernTransport(new URL(url(name)), init))
      return client
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function upstreamOf(upstream: Command | string): object {
  if (typeof upstream === 'string') return { kind: 'remote', url: upstream, allowPrivate: true }
  return { kind: 'process', ...upstream }
}

/** The text of the first block of a result. */
export function textOf(result: object): string {
  const { content } = result as { content: { text: string }[] }
  return content[0]?.text ?? ''
}

/** What the tool `count` of the fixture `counter` says. */
export interface Count {
  readonly count: number
  readonly pid: number
  readonly value?: string
}

/** Calls the tool `count`; `variable` names one of the environment whose value is to come with it. */
export async function countWith(
  client: {
    callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<object>
  },
  variable?: string,
): Promise<Count> {
  const args = variable === undefined ? {} : { variable }
  return JSON.parse(textOf(await client.callTool({ name: 'count', arguments: args }))) as Count
}

/** How many of the processes run. */
export function running(pids: Iterable<number>): number {
  return [...pids].filter(isRunning).length
}

/** The text of the message that answers a request: all of the body, or the last event where it is a stream. */
export function messageText({ text, events }: Awaited<ReturnType<typeof post>>): string {
  return events.at(-1)?.data ?? text
}

/** The same, parsed. A server that takes its time is answered with a stream. */
export function messageIn(answer: Awaited<ReturnType<typeof post>>): unknown {
  return JSON.parse(messageText(answer))
}
