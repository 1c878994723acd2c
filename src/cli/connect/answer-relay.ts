import { answerTo, refusalLine, type JsonObject, type Message } from './message.ts'
import type { HttpAnswer } from './mcp-http.ts'
import { readServerEvents } from './server-events.ts'

/** Writes one line to the client; resolves when it takes more. */
export type WriteLine = (line: string) => Promise<void>

/** What has come of one message that was sent. */
export type Relayed =
  /** The answer, parsed, which has been written; or there was none to be expected. */
  | { readonly outcome: 'answered'; readonly answer: JsonObject | undefined }
  /** The stream ended before the answer. It can be resumed where there is an id. */
  | {
      readonly outcome: 'broken'
      readonly lastEventId: string | undefined
      readonly retryMs: number | undefined
    }

/** Writes everything that one answer over HTTP holds: one message, a stream of them, or a refusal as an error response. */
export async function relayAnswer(
  message: Message,
  answer: HttpAnswer,
  write: WriteLine,
): Promise<Relayed> {
  if (answer.type === 'text/event-stream' && answer.status === 200) {
    return relayStream(message, answer, write)
  }
  const body = await answer.text()
  if (message.kind !== 'request') return { outcome: 'answered', answer: undefined }
  const found = answerTo(message, body)
  const isOwn = found !== undefined && answer.type === 'application/json'
  await write(isOwn ? toOneLine(body) : refusalLine(message, answer.status, body))
  return { outcome: 'answered', answer: found }
}

/** The same for a stream, up to its end or the answer. */
export async function relayStream(
  message: Message,
  answer: HttpAnswer,
  write: WriteLine,
): Promise<Relayed> {
  let lastEventId: string | undefined
  let retryMs: number | undefined
  const chunks = untilBroken(answer.chunks())
  for await (const event of readServerEvents(chunks)) {
    lastEventId = event.id ?? lastEventId
    retryMs = event.retryMs ?? retryMs
    if (event.data === '') continue
    await write(toOneLine(event.data))
    const found = answerTo(message, event.data)
    if (found !== undefined) return { outcome: 'answered', answer: found }
  }
  return { outcome: 'broken', lastEventId, retryMs }
}

/** A stream that breaks ends like any other: what follows from it depends on what has come, not on how it ended. */
export async function* untilBroken(
  chunks: AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  if (chunks === undefined) return
  try {
    yield* chunks
  } catch {
    return
  }
}

/** Line breaks in JSON are white space: inside of texts they are escaped. */
export function toOneLine(json: string): string {
  return json.replaceAll(/[\r\n]+/g, ' ').trim()
}
