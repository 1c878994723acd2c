/** What hears of the responses on one connection. */
interface ResponseEvents {
  /** A piece of a body, freed of its transfer coding. */
  onBody(piece: Buffer): void
  /** The response is complete. */
  onEnd(): void
}

interface Reader {
  readonly events: ResponseEvents
  /** Received and not yet understood. */
  rest: Buffer
  state: 'head' | 'chunk size' | 'body' | 'chunk end' | 'end'
  chunked: boolean
  /** Bytes that the body, or the chunk at hand, still lacks. */
  missing: number
}

/** Each reads one part from the front of what is there, and says whether there is a next part to look for. */
const steps = {
  head: readHead,
  'chunk size': readSize,
  body: readBody,
  'chunk end': readLineEnd,
  end: readLineEnd,
}

/**
 * Reads HTTP/1.1 responses from one keep-alive connection, in whatever pieces they come.
 * Knows `content-length` and `chunked`; throws on anything else and on a status other than 200.
 */
export function createResponseReader(events: ResponseEvents): (piece: Buffer) => void {
  const reader: Reader = {
    events,
    rest: Buffer.alloc(0),
    state: 'head',
    chunked: false,
    missing: 0,
  }
  return (piece) => {
    reader.rest = reader.rest.length === 0 ? piece : Buffer.concat([reader.rest, piece])
    while (reader.rest.length > 0 && steps[reader.state](reader));
  }
}

function readHead(reader: Reader): boolean {
  const head = takeUntil(reader, '\r\n\r\n')
  if (head === undefined) return false
  if (!head.startsWith('HTTP/1.1 200 ')) {
    throw new Error(`Not a success: ${head}\n${reader.rest.toString()}`)
  }
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  reader.chunked = /\r\ntransfer-encoding: *chunked/i.test(head)
  if (reader.chunked === (length !== undefined)) throw new Error(`Not one end of body: ${head}`)
  reader.missing = Number(length ?? 0)
  reader.state = reader.chunked ? 'chunk size' : 'body'
  return true
}

function readSize(reader: Reader): boolean {
  const line = takeUntil(reader, '\r\n')
  if (line === undefined) return false
  if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`Not a chunk size: ${line}`)
  reader.missing = Number.parseInt(line, 16)
  reader.state = reader.missing === 0 ? 'end' : 'body'
  return true
}

function readBody(reader: Reader): boolean {
  const size = Math.min(reader.missing, reader.rest.length)
  reader.events.onBody(reader.rest.subarray(0, size))
  reader.rest = reader.rest.subarray(size)
  reader.missing -= size
  if (reader.missing > 0) return false
  if (reader.chunked) reader.state = 'chunk end'
  else finish(reader)
  return true
}

/** Reads the line end behind a chunk, or behind the chunk of size zero that ends the body. */
function readLineEnd(reader: Reader): boolean {
  const line = takeUntil(reader, '\r\n')
  if (line === undefined) return false
  if (line !== '') throw new Error(`Not the end of a chunk: ${line}`)
  if (reader.state === 'end') finish(reader)
  else reader.state = 'chunk size'
  return true
}

function takeUntil(reader: Reader, mark: string): string | undefined {
  const end = reader.rest.indexOf(mark)
  if (end < 0) return undefined
  const text = reader.rest.toString('latin1', 0, end)
  reader.rest = reader.rest.subarray(end + mark.length)
  return text
}

function finish(reader: Reader): void {
  reader.state = 'head'
  reader.events.onEnd()
}
