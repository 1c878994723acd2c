import { formatMessage, headersOf, initializeParams, readMessage } from './mcp-traffic.ts'
import type { McpEndpoint } from './mcp-traffic.ts'

/** A client of MCP as far as set-up needs one: every message a request of its own, nothing kept but the session. */
export interface McpSession {
  /** Undefined in the modern era, which has no sessions. */
  readonly sessionId?: string
  /** Sends a request and resolves with its result. Throws with whatever else came. */
  ask(method: string, params?: object): Promise<Record<string, unknown>>
}

/** Makes itself known where the era has that. Nobody says goodbye. */
export async function openSession(
  endpoint: McpEndpoint,
  signal?: AbortSignal,
): Promise<McpSession> {
  if (endpoint.era === 'modern') return { ask: createAsk(endpoint, { signal }) }
  const initialize = { id: 1, method: 'initialize', params: initializeParams }
  const answer = await post(endpoint, initialize, { signal })
  const sessionId = answer.headers.get('mcp-session-id') ?? undefined
  if (sessionId === undefined) throw new Error(`No session: ${await answer.text()}`)
  await answer.text()
  const kept = { signal, sessionId }
  const told = await post(endpoint, { method: 'notifications/initialized' }, kept)
  await told.text()
  return { sessionId, ask: createAsk(endpoint, kept) }
}

/** Asks for all pages of the tools and resolves with their names. */
export async function listTools(session: McpSession): Promise<string[]> {
  const names: string[] = []
  let cursor: unknown
  do {
    const page = await session.ask('tools/list', cursor === undefined ? {} : { cursor })
    names.push(...(page['tools'] as { name: string }[]).map(({ name }) => name))
    cursor = page['nextCursor']
  } while (cursor !== undefined)
  return names
}

interface Kept {
  readonly signal: AbortSignal | undefined
  readonly sessionId?: string
}

function createAsk(endpoint: McpEndpoint, kept: Kept): McpSession['ask'] {
  let id = 1
  return async (method, params = {}) => {
    id += 1
    const answer = await post(endpoint, { id, method, params }, kept)
    const text = await answer.text()
    const result = readMessage(text)?.['result']
    if (result === undefined) throw new Error(`${method}: ${answer.status} ${text}`)
    return result as Record<string, unknown>
  }
}

async function post(
  endpoint: McpEndpoint,
  message: { id?: number; method: string; params?: object },
  { signal, sessionId }: Kept,
): Promise<Response> {
  const { method, params } = message
  const name = (params as { name?: string } | undefined)?.name
  const answer = await fetch(`http://127.0.0.1:${endpoint.port}${endpoint.path}`, {
    method: 'POST',
    headers: headersOf(endpoint, {
      method,
      ...(name && { name }),
      ...(sessionId && { sessionId }),
    }),
    body: formatMessage(endpoint.era, message),
    signal: signal ?? null,
  })
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`)
  return answer
}
