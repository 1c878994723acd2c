import { readTextLines } from './text-lines.ts'

/** One event of a stream of server-sent events (WHATWG HTML, section 9.2), as far as MCP uses it. */
export interface ServerEvent {
  /** Empty where the event only carries an id. */
  readonly data: string
  /** The last id that was sent, of this event or one before. */
  readonly id: string | undefined
  /** How long to wait before a stream that ended is opened again, ms, where it was said. */
  readonly retryMs: number | undefined
}

/** The complete events of a stream. */
export async function* readServerEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerEvent> {
  let data: string[] = []
  let id: string | undefined
  let retryMs: number | undefined
  let isEmpty = true
  for await (const line of readTextLines(chunks)) {
    if (line === '') {
      if (!isEmpty) yield { data: data.join('\n'), id, retryMs }
      data = []
      isEmpty = true
      continue
    }
    const { name, value } = readField(line)
    if (name === 'data') data.push(value)
    else if (name === 'id' && !value.includes('\0')) id = value
    else if (name === 'retry' && /^\d+$/.test(value)) retryMs = Number(value)
    if (name !== '') isEmpty = false
  }
}

/** A comment has no name. */
function readField(line: string): { name: string; value: string } {
  const colon = line.indexOf(':')
  if (colon < 0) return { name: line, value: '' }
  const value = line.slice(colon + 1)
  return { name: line.slice(0, colon), value: value.startsWith(' ') ? value.slice(1) : value }
}
