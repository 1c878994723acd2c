import { StringDecoder } from 'node:string_decoder'
import { AppError } from '../../../lib/errors.ts'

/** No event of a model comes near; whoever sends a longer one would only fill our memory. */
const eventLengthMax = 16 * 1024 * 1024

/**
 * Reads server-sent events from bytes that arrive in any pieces: LF, CRLF and CR line ends, comments, several `data`
 * lines an event, characters and line ends split between chunks. Names and ids of events are of no interest here.
 * Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
 */
export class EventDataReader {
  readonly #decoder = new StringDecoder('utf8')
  /** The beginning of a line that has not ended, in pieces. */
  #line: string[] = []
  #data: string[] = []
  #length = 0
  #endedInReturn = false

  /** The data of every event that is complete with this chunk. Throws `upstream_failed` if an event grows beyond all measure. */
  push(chunk: Uint8Array): string[] {
    let text = this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    if (text === '') return []
    // The second half of a CRLF whose first half already ended the line.
    if (this.#endedInReturn && text.startsWith('\n')) text = text.slice(1)
    this.#endedInReturn = text.endsWith('\r')

    const events: string[] = []
    const lines = text.split(/\r\n|\n|\r/)
    const unfinished = lines.pop() ?? ''
    for (const line of lines) this.#endLine(line, events)
    this.#line.push(unfinished)
    this.#length += unfinished.length
    if (this.#length > eventLengthMax) {
      throw new AppError('upstream_failed', 'The provider sent an event that is too long.')
    }
    return events
  }

  #endLine(rest: string, events: string[]): void {
    const line = this.#line.length === 0 ? rest : this.#line.join('') + rest
    this.#line = []
    if (line === '') {
      if (this.#data.length > 0) events.push(this.#data.join('\n'))
      this.#data = []
      this.#length = 0
    } else if (line.startsWith('data:')) {
      this.#data.push(line.slice(line[5] === ' ' ? 6 : 5))
      this.#length += rest.length
    }
  }
}
