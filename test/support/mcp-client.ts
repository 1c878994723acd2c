import { setTimeout as wait } from 'node:timers/promises'

/** What a POST was answered with. */
export interface McpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body where it is JSON. */
  readonly json: unknown
  /** The events where it is a stream. */
  readonly events: readonly McpEvent[]
}

/** One server-sent event. */
interface McpEvent {
  readonly name: string | undefined
  readonly id: string | undefined
  readonly data: string
}

/** Headers of a client of Streamable HTTP with the key `alice`. */
export const mcpHeaders = {
  authorization: 'Bearer alice',
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
}

/** Posts a body, as JSON unless it is text already, and reads the whole answer. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = mcpHeaders,
): Promise<McpAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return readAnswer(await fetch(url, { method: 'POST', headers, body: text }))
}

/** Reads a response to its end. */
export async function readAnswer(response: Response): Promise<McpAnswer> {
  const text = await response.text()
  const { status, headers } = response
  const type = headers.get('content-type') ?? ''
  const json: unknown = type.startsWith('application/json') ? JSON.parse(text) : undefined
  const events = type.startsWith('text/event-stream') ? parseEvents(text) : []
  return { status, headers, text, json, events }
}

/** Reads the events of a stream; comments are left out. */
function parseEvents(text: string): McpEvent[] {
  return text
    .split('\n\n')
    .filter((block) => /^(?:event|id|data):/m.test(block))
    .map((block) => ({
      name: fieldOf(block, 'event'),
      id: fieldOf(block, 'id'),
      data: fieldOf(block, 'data') ?? '',
    }))
}

function fieldOf(block: string, field: string): string | undefined {
  const line = block.split('\n').find((candidate) => candidate.startsWith(`${field}: `))
  return line?.slice(field.length + 2)
}

/** A stream that is read while it lasts. */
export interface OpenStream extends AsyncDisposable {
  readonly response: Response
  readonly events: McpEvent[]
  /** Everything that came, comments included. */
  readonly text: () => string
  /** Resolves once there are so many events. */
  until(count: number): Promise<readonly McpEvent[]>
  /** Resolves when the server has ended it. */
  readonly ended: Promise<void>
  /** Cuts the connection. */
  cut(): void
}

/** Opens a stream by GET, or by POST where there is a body. */
export async function openStream(
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<OpenStream> {
  const controller = new AbortController()
  const response = await fetch(url, {
    headers,
    signal: controller.signal,
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  let text = ''
  const events: McpEvent[] = []
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true })
      const complete = text.lastIndexOf('\n\n')
      if (complete >= 0) events.splice(0, events.length, ...parseEvents(text.slice(0, complete)))
    }
  }
  const ended = read().catch(() => {})
  return {
    response,
    events,
    ended,
    text: () => text,
    async until(count) {
      await until(() => events.length >= count, `${count} events; there are: ${text}`)
      return events
    },
    cut: () => controller.abort(),
    async [Symbol.asyncDispose]() {
      controller.abort()
      await ended
    },
  }
}

/** Waits for a condition. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 8_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await wait(5)
  }
}

/** An `initialize` request. */
export function initialize(protocolVersion = '2025-11-25', capabilities: object = {}) {
  const clientInfo = { name: 'test-client', version: '1' }
  return {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion, capabilities, clientInfo },
  }
}

/** Begins a session and gives the headers of its requests. */
export async function beginSession(
  url: string,
  { version = '2025-11-25', key = 'alice' }: { version?: string; key?: string } = {},
): Promise<Record<string, string>> {
  const headers = { ...mcpHeaders, authorization: `Bearer ${key}` }
  const answer = await post(url, initialize(version), headers)
  const sessionId = answer.headers.get('mcp-session-id')
  if (sessionId === null) throw new Error(`No session: ${answer.status} ${answer.text}`)
  return { ...headers, 'mcp-session-id': sessionId, 'mcp-protocol-version': version }
}

/** A call of a tool. */
export function callTool(id: number | string, name: string, args: object = {}) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } }
}
