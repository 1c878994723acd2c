import { setTimeout as delay } from 'node:timers/promises'
import { relayStream, toOneLine, untilBroken, type WriteLine } from './answer-relay.ts'
import type { Headers, HttpAnswer, McpHttp } from './mcp-http.ts'
import type { Message } from './message.ts'
import { readServerEvents } from './server-events.ts'

/** What it takes to open a stream again. */
export interface StreamDeps {
  readonly http: McpHttp
  readonly write: WriteLine
  readonly signal: AbortSignal
}

/** Where a stream broke, and how long the server wants to be left alone before it is asked for the rest. */
export interface BrokenStream {
  readonly lastEventId: string | undefined
  readonly retryMs: number | undefined
}

const retryMsDefault = 1_000
/** Attempts that bring nothing new. */
const attemptsMax = 5

/**
 * Goes on with the stream of an answer that broke before the answer came, or that the server has ended in order to be
 * asked again. Rejects where it cannot be resumed.
 */
export async function resumeAnswer(
  { http, write, signal }: StreamDeps,
  message: Message,
  { broken, headers }: { readonly broken: BrokenStream; readonly headers: Headers },
): Promise<void> {
  let { lastEventId, retryMs } = broken
  let attemptsLeft = attemptsMax
  while (attemptsLeft > 0 && lastEventId !== undefined) {
    attemptsLeft -= 1
    await delay(retryMs ?? retryMsDefault, undefined, { signal })
    const from = { ...headers, 'last-event-id': lastEventId }
    const answer = await http.get(from, signal).catch(() => undefined)
    if (answer === undefined || !isStream(answer)) continue
    const relayed = await relayStream(message, answer, write)
    if (relayed.outcome === 'answered') return
    if (relayed.lastEventId !== undefined) attemptsLeft = attemptsMax
    lastEventId = relayed.lastEventId ?? lastEventId
    retryMs = relayed.retryMs ?? retryMs
  }
  throw new Error('The connection broke before the answer.')
}

/**
 * Writes what comes on the stream that belongs to no request, and opens it again when it ends, as long as `isWanted`.
 * Resolves where the server offers none.
 */
export async function followNotifications(
  { http, write, signal }: StreamDeps,
  headers: Headers,
  isWanted: () => boolean,
): Promise<void> {
  let lastEventId: string | undefined
  let retryMs = retryMsDefault
  while (isWanted() && !signal.aborted) {
    const from = lastEventId === undefined ? headers : { ...headers, 'last-event-id': lastEventId }
    const answer = await http.get(from, signal).catch(() => undefined)
    if (answer !== undefined && !isStream(answer)) return void (await answer.text())
    for await (const event of readServerEvents(untilBroken(answer?.chunks()))) {
      lastEventId = event.id ?? lastEventId
      retryMs = event.retryMs ?? retryMs
      if (event.data !== '') await write(toOneLine(event.data))
    }
    await delay(retryMs, undefined, { signal })
  }
}

function isStream({ status, type }: HttpAnswer): boolean {
  return status === 200 && type === 'text/event-stream'
}
