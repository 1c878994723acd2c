import { relayAnswer, type WriteLine } from './answer-relay.ts'
import { reasonOf } from './failure-reason.ts'
import type { Headers, McpHttp } from './mcp-http.ts'
import { errorLine, isObject, type Message } from './message.ts'
import { createParamHeaders, encodeHeaderValue } from './param-headers.ts'

/** What the requests need. */
export interface ModernRequestsDeps {
  readonly http: McpHttp
  readonly write: WriteLine
  readonly log: (text: string) => void
  readonly signal: AbortSignal
}

/** Requests of the protocol without sessions: each stands for itself. */
export interface ModernRequests {
  /** Sends one message and writes what comes of it. Never rejects. */
  send(message: Message): Promise<void>
  /** Gives up a request, which tells the server by the end of its connection. Says whether there was one; `id` is JSON text. */
  cancel(id: string): boolean
  /** Gives up what lasts until it is given up. */
  endSubscriptions(): void
}

const versionKey = 'io.modelcontextprotocol/protocolVersion'

/** The revision that a message names in its envelope; undefined for a message of the older protocol. */
export function envelopeVersion({ params }: Message): string | undefined {
  const meta = params['_meta']
  const version = isObject(meta) ? meta[versionKey] : undefined
  return typeof version === 'string' ? version : undefined
}

/** Creates them. */
export function createModernRequests(deps: ModernRequestsDeps): ModernRequests {
  const { http, write, log, signal } = deps
  const running = new Map<string, { method: string; abort: () => void }>()
  const paramHeaders = createParamHeaders()
  let lastVersion: string | undefined

  async function post(message: Message, cancelled: AbortSignal): Promise<void> {
    lastVersion = envelopeVersion(message) ?? lastVersion
    const headers = { ...headersOf(message, lastVersion), ...paramHeaders.of(message) }
    const answer = await http.post(message.line, headers, AbortSignal.any([signal, cancelled]))
    const relayed = await relayAnswer(message, answer, async (line) => {
      if (!cancelled.aborted) await write(line)
    })
    if (relayed.outcome === 'broken') throw new Error('The connection broke before the answer.')
    if (message.method === 'tools/list') paramHeaders.learn(relayed.answer ?? {})
  }

  return {
    async send(message) {
      const controller = new AbortController()
      const { id, method } = message
      if (id !== '') running.set(id, { method, abort: () => controller.abort() })
      const sent = post(message, controller.signal).catch(async (error: unknown) => {
        if (signal.aborted || controller.signal.aborted) return
        log(`${method} failed: ${reasonOf(error)}`)
        if (message.kind === 'request') await write(errorLine(id, reasonOf(error)))
      })
      await sent
      running.delete(id)
    },
    cancel(id) {
      const found = running.get(id)
      found?.abort()
      return found !== undefined
    },
    endSubscriptions() {
      for (const { method, abort } of running.values()) {
        if (method === 'subscriptions/listen') abort()
      }
    },
  }
}

/** What is repeated of a message in its headers, so that those on the way need not read the body. */
function headersOf({ method, params }: Message, version: string | undefined): Headers {
  const name = namedBy[method]
  const value = name === undefined ? undefined : params[name]
  return {
    ...(version !== undefined && { 'mcp-protocol-version': version }),
    'mcp-method': encodeHeaderValue(method),
    ...(typeof value === 'string' && { 'mcp-name': encodeHeaderValue(value) }),
  }
}

const namedBy: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}
