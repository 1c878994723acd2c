import {
  Client as ClientV2,
  SSEClientTransport as SseV2,
  StreamableHTTPClientTransport as HttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { mergeAnswers } from './mcp-answers.ts'
import type { ClientAnswers } from './mcp-answers.ts'

/** Where a client connects to, and what it can be asked. */
interface ConnectTo {
  readonly portico: { readonly url: string }
  readonly key: string
  /** Path below `/mcp`, `''` or with a slash. */
  readonly path: string
  /** What it answers; a client without any says that it cannot be asked. */
  readonly answers?: ClientAnswers
}

const info = { name: 'end-to-end', version: '1' }

/** Connects a client of SDK 1. Disposing of it closes it. */
export async function openClientV1(
  to: ConnectTo & { transport?: 'http' | 'sse' | 'websocket' },
): Promise<ClientV1 & AsyncDisposable> {
  const { capabilities, elicit, sample, roots } = mergeAnswers(to.answers)
  const client = new ClientV1(info, { capabilities })
  if (capabilities.elicitation) client.setRequestHandler(ElicitRequestSchema, elicit)
  if (capabilities.sampling) client.setRequestHandler(CreateMessageRequestSchema, sample)
  if (capabilities.roots) client.setRequestHandler(ListRootsRequestSchema, roots)
  await client.connect(transportV1(to, to.transport ?? 'http'))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

/** Connects a client of SDK 2. Disposing of it closes it. */
export async function openClientV2(
  to: ConnectTo & { mode?: 'legacy' | 'auto' | { pin: string }; transport?: 'http' | 'sse' },
): Promise<ClientV2 & AsyncDisposable> {
  const { capabilities, elicit, sample, roots } = mergeAnswers(to.answers)
  const mode = to.mode ?? 'auto'
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } })
  if (capabilities.elicitation) client.setRequestHandler('elicitation/create', elicit)
  if (capabilities.sampling) client.setRequestHandler('sampling/createMessage', sample)
  if (capabilities.roots) client.setRequestHandler('roots/list', roots)
  const base = `${to.portico.url}/mcp${to.path}`
  const requestInit = { headers: { authorization: `Bearer ${to.key}` } }
  const transport =
    to.transport === 'sse'
      ? new SseV2(new URL(`${base}/sse`), { requestInit })
      : new HttpV2(new URL(base), { requestInit })
  await client.connect(transport)
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

function transportV1(
  { portico, key, path }: ConnectTo,
  kind: 'http' | 'sse' | 'websocket',
): Transport {
  const requestInit = { headers: { authorization: `Bearer ${key}` } }
  const base = `${portico.url}/mcp${path}`
  if (kind === 'sse') return new SseV1(new URL(`${base}/sse`), { requestInit })
  // The types of the SDK and `exactOptionalPropertyTypes` do not agree on optional members.
  if (kind === 'http') return new HttpV1(new URL(base), { requestInit }) as Transport
  const query = new URLSearchParams({ service: path.slice(1), api_key: key })
  return new WebSocketClientTransport(
    new URL(`${portico.url.replace('http', 'ws')}/mcp/ws?${query.toString()}`),
  )
}
