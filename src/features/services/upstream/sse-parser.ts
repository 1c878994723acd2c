/** One event of a stream of server-sent events. */
export interface SseEvent {
  /** `message` where the stream does not say. */
  readonly type: string
  /** Lines of data, joined by newlines. */
  readonly data: Buffer
}

/** What hears a stream. */
export interface SseListener {
  onEvent(event: SseEvent): void
  /** How long to wait before connecting again. */
  onRetry?(retryMs: number): void
}

const newline = 0x0a
const carriageReturn = 0x0d
const colon = 0x3a
const space = 0x20
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const nothing = Buffer.alloc(0)
/** Each takes much more memory than an empty line has bytes. */
const linesMax = 100_000

/**
 * Reads a stream of server-sent events in whatever pieces it comes (HTML, section 9.2.6): lines end with LF, CR or CRLF.
 * Data is not decoded. An event that is not complete at the end of the stream is none.
 */
export class SseParser {
  readonly #listener: SseListener
  readonly #eventBytesMax: number
  /** The beginning of a line whose end has not come. */
  #partial: Buffer[] = []
  #partialBytes = 0
  #data: Buffer[] = []
  #dataBytes = 0
  #type = ''
  #id = ''
  #lastEventId = ''
  #skipsNewline = false
  #isFirstLine = true

  constructor(listener: SseListener, eventBytesMax: number) {
    this.#listener = listener
    this.#eventBytesMax = eventBytesMax
  }

  /** The id of the last complete event that had one; empty where there is none. */
  get lastEventId(): string {
    return this.#lastEventId
  }

  /** Takes the next bytes, which it may keep. Returns false where an event is longer than is accepted; the stream is of no use then. */
  write(chunk: Buffer): boolean {
    if (chunk.length === 0) return true
    let at = this.#skipsNewline && chunk[0] === newline ? 1 : 0
    this.#skipsNewline = false
    const ends = new LineEnds(chunk)
    for (let end = ends.from(at); end >= 0; end = ends.from(at)) {
      if (!this.#takeLine(this.#wholeLine(chunk.subarray(at, end)))) return false
      at = this.#afterLineEnd(chunk, end)
    }
    return this.#keep(chunk.subarray(at))
  }

  #afterLineEnd(chunk: Buffer, end: number): number {
    if (chunk[end] === newline) return end + 1
    if (chunk[end + 1] === newline) return end + 2
    this.#skipsNewline = end + 1 === chunk.length
    return end + 1
  }

  #keep(rest: Buffer): boolean {
    if (rest.length === 0) return true
    this.#partial.push(rest)
    this.#partialBytes += rest.length
    return this.#partialBytes + this.#dataBytes <= this.#eventBytesMax
  }

  #wholeLine(end: Buffer): Buffer {
    if (this.#partial.length === 0) return end
    const line = Buffer.concat([...this.#partial, end], this.#partialBytes + end.length)
    this.#partial = []
    this.#partialBytes = 0
    return line
  }

  #takeLine(bytes: Buffer): boolean {
    const line = this.#isFirstLine && startsWithMark(bytes) ? bytes.subarray(3) : bytes
    this.#isFirstLine = false
    if (line.length === 0) {
      this.#dispatch()
      return true
    }
    const end = line.indexOf(colon)
    // A line that begins with a colon is a comment.
    if (end === 0) return true
    const value = end < 0 ? nothing : line.subarray(line[end + 1] === space ? end + 2 : end + 1)
    this.#takeField(line.toString('utf8', 0, end < 0 ? line.length : Math.min(end, 16)), value)
    return this.#dataBytes <= this.#eventBytesMax && this.#data.length <= linesMax
  }

  #takeField(name: string, value: Buffer): void {
    if (name === 'data') {
      this.#data.push(value)
      this.#dataBytes += value.length + 1
    } else if (name === 'event') {
      this.#type = value.toString('utf8')
    } else if (name === 'id') {
      if (!value.includes(0)) this.#id = value.toString('utf8')
    } else if (name === 'retry') {
      const text = value.toString('latin1')
      if (/^\d{1,9}$/.test(text)) this.#listener.onRetry?.(Number(text))
    }
  }

  #dispatch(): void {
    const lines = this.#data
    const type = this.#type === '' ? 'message' : this.#type
    this.#lastEventId = this.#id
    this.#data = []
    this.#dataBytes = 0
    this.#type = ''
    if (lines.length > 0) this.#listener.onEvent({ type, data: joinLines(lines) })
  }
}

/** Where lines end in a chunk. Each kind of end is looked for once, however many there are of the other. */
class LineEnds {
  readonly #chunk: Buffer
  #newline = -2
  #carriageReturn = -2

  constructor(chunk: Buffer) {
    this.#chunk = chunk
  }

  /** Index of the first end at or after `start`; -1 where there is none. */
  from(start: number): number {
    this.#newline = this.#next(this.#newline, newline, start)
    this.#carriageReturn = this.#next(this.#carriageReturn, carriageReturn, start)
    if (this.#newline < 0) return this.#carriageReturn
    if (this.#carriageReturn < 0) return this.#newline
    return Math.min(this.#newline, this.#carriageReturn)
  }

  #next(known: number, byte: number, start: number): number {
    return known === -1 || known >= start ? known : this.#chunk.indexOf(byte, start)
  }
}

function startsWithMark(bytes: Buffer): boolean {
  return bytes.length >= 3 && bytes.subarray(0, 3).equals(byteOrderMark)
}

const lineBreak = Buffer.from('\n')

function joinLines(lines: readonly Buffer[]): Buffer {
  const [first = nothing, ...others] = lines
  if (others.length === 0) return first
  return Buffer.concat([first, ...others.flatMap((line) => [lineBreak, line])])
}
