import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { createLegacySession } from './legacy-session.ts'
import { createMcpHttp } from './mcp-http.ts'
import { readMessage, type Message } from './message.ts'
import { createModernRequests, envelopeVersion } from './modern-requests.ts'
import { readTextLines } from './text-lines.ts'

/** Both ends of the bridge. */
export interface BridgeOptions {
  /** The endpoint that speaks Streamable HTTP. */
  readonly url: string
  readonly key: string | undefined
  /** Messages of the client, one a line. */
  readonly input: Readable
  /** Messages for the client, one a line, and nothing else. */
  readonly output: Writable
  readonly log: (text: string) => void
  /** Ends the bridge at once. */
  readonly signal: AbortSignal
}

/** How long answers are waited for once the client has said its last word. */
const lastAnswersMs = 10_000

/**
 * Carries messages between a client on standard streams and a server over HTTP, of either protocol, until the input ends
 * or `signal` is aborted. Then the session ends at the server as well. A client that stops reading ends it too.
 */
export async function runBridge(options: BridgeOptions): Promise<void> {
  const { url, key, input, output, log } = options
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  await using http = createMcpHttp(url, key)
  const write = createWriter(output, () => stop.abort())
  const deps = { http, write, log, signal }
  const legacy = createLegacySession(deps)
  const modern = createModernRequests(deps)
  const running = new Set<Promise<void>>()

  const pass = (message: Message): Promise<void> => {
    const { method, params } = message
    const isCancel = method === 'notifications/cancelled'
    if (isCancel && modern.cancel(JSON.stringify(params['requestId']))) return Promise.resolve()
    const isModern = envelopeVersion(message) !== undefined
    const isLegacy = legacy.hasBegun || method === 'initialize'
    return isModern || !isLegacy ? modern.send(message) : legacy.send(message)
  }
  const take = async (line: string): Promise<void> => {
    if (line.trim() === '') return
    const message = readMessage(line)
    if ('refusal' in message) return write(message.refusal)
    const sent = pass(message)
    // What is not answered arrives in the order in which it was said; nothing overtakes the handshake.
    if (message.kind !== 'request' || message.method === 'initialize') return sent
    running.add(sent)
    void sent.finally(() => running.delete(sent))
  }

  signal.addEventListener('abort', () => input.destroy(), { once: true })
  await takeLines(input, take, signal)
  modern.endSubscriptions()
  const patience = delay(lastAnswersMs, undefined, { signal, ref: false }).catch(() => undefined)
  await Promise.race([Promise.all(running), patience])
  stop.abort()
  await legacy.end()
}

async function takeLines(
  input: Readable,
  take: (line: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const line of readTextLines(input)) await take(line)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Writes whole lines, one after the other. */
function createWriter(output: Writable, onGone: () => void): (line: string) => Promise<void> {
  output.on('error', onGone)
  return async (line) => {
    if (!output.writable || output.write(`${line}\n`)) return
    await Promise.race([once(output, 'drain'), once(output, 'close')]).catch(() => undefined)
  }
}
