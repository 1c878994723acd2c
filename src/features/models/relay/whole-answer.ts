import { parseJson } from '../json-body.ts'

/** The last event of a stream that went well: chat and completions, messages, responses. */
const closingEvents = ['data: [DONE]', 'event: message_stop', 'event: response.completed']

/** Closing events of streams that did not go well, which are no less closed. */
const otherClosingEvents = ['event: error', 'event: response.failed', 'event: response.incomplete']

/** Says whether `tail`, the end of a stream, holds the event that closes it; a reason for the end of the answer counts as one. */
export function holdsClosingEvent(tail: Buffer): boolean {
  const text = tail.toString('latin1')
  return (
    [...closingEvents, ...otherClosingEvents].some((event) => text.includes(event)) ||
    /"finish_reason"\s*:\s*"/.test(text)
  )
}

/**
 * Says whether an answer of status 200 is what it claims to be: a stream that came to its end, and no error in it.
 * A body that cannot be read (compressed, audio) is taken at its word.
 */
export function isWholeAnswer(headers: readonly string[], chunks: readonly Buffer[]): boolean {
  const type = valueOf(headers, 'content-type')
  if (valueOf(headers, 'content-encoding') !== '') return !type.includes('event-stream')
  if (type.includes('event-stream')) return isWholeStream(Buffer.concat(chunks).toString())
  return !type.includes('json') || !holdsError(Buffer.concat(chunks).toString())
}

function isWholeStream(text: string): boolean {
  const lines = text.split(/\r\n|\n|\r/)
  if (!lines.some((line) => closingEvents.some((event) => line.startsWith(event)))) return false
  return !lines.some((line) => line.startsWith('data:') && holdsError(line.slice('data:'.length)))
}

/** Parses only what has the word in it. */
function holdsError(text: string): boolean {
  if (!text.includes('"error"')) return false
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null) return false
  const isErrorEvent = 'type' in value && value.type === 'error'
  // A response object has the field, too: null where all went well.
  return isErrorEvent || ('error' in value && Boolean(value.error))
}

function valueOf(headers: readonly string[], name: string): string {
  const at = headers.findIndex((part, index) => index % 2 === 0 && part.toLowerCase() === name)
  return at < 0 ? '' : (headers[at + 1] ?? '').toLowerCase()
}
