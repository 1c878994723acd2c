import { AppError } from '../lib/errors.ts'
import { readPartName } from './part-name.ts'

/** A piece of a multipart body in order: bytes to pass on as they are, or the value of the field looked for. */
export type MultipartPiece = Buffer | { readonly value: Buffer }

/** Where the scanner stands. */
type State = 'start' | 'delimiter' | 'headers' | 'body-start' | 'content' | 'field' | 'epilogue'

const headersBytesMax = 16 * 1_024
const paddingBytesMax = 64
const valueBytesMax = 1_024
/** A boundary has at most 70 characters. */
const delimiterBytesMax = 74
const lineEnd = Buffer.from('\r\n')
const headersEnd = Buffer.from('\r\n\r\n')
const closing = Buffer.from('--')

/**
 * Takes a multipart/form-data body apart as it arrives, in chunks of any size, and finds the one field that is looked for.
 * All pieces together are the body, byte for byte. It keeps no more than a delimiter, a header block or the value of the field.
 *
 * What the gateway reads, the upstream must read the same way, or the field could have one value here and another there. So a body is
 * refused with `invalid_request` if readers may differ: a preamble, line ends without CR, a delimiter with something behind it
 * (it must not occur in content: RFC 2046 section 5.1.1), a part without body, unclear part headers, or the field twice.
 */
export class MultipartScanner {
  readonly #fieldName: string
  readonly #delimiter: Buffer
  readonly #pieces: MultipartPiece[] = []
  #pending: Buffer = Buffer.alloc(0)
  #state: State = 'start'
  #nextBody: 'content' | 'field' = 'content'
  #found = false

  constructor(boundary: string, fieldName: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#fieldName = fieldName
  }

  /** Takes the next chunk and gives the pieces that are certain by now. */
  push(chunk: Buffer): MultipartPiece[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#steps[this.#state]()) {
      // Each step consumes something or says that it needs more.
    }
    return this.#pieces.splice(0)
  }

  /** To be called at the end of the body. Throws `invalid_request` if it lacks its closing delimiter. */
  finish(): void {
    if (this.#state !== 'epilogue') throw malformed('ends before its closing delimiter')
  }

  readonly #steps: Readonly<Record<State, () => boolean>> = {
    start: () => this.#readStart(),
    delimiter: () => this.#readDelimiterEnd(),
    headers: () => this.#readHeaders(),
    'body-start': () => this.#readBodyStart(),
    content: () => this.#readContent(),
    field: () => this.#readField(),
    epilogue: () => this.#passAll(),
  }

  #readStart(): boolean {
    const first = this.#delimiter.subarray(2)
    if (this.#pending.length < first.length) return false
    if (!startsWith(this.#pending, first)) throw malformed('does not begin with its boundary')
    return this.#pass(first.length, 'delimiter')
  }

  #readDelimiterEnd(): boolean {
    if (this.#pending.length < 2) return false
    if (startsWith(this.#pending, closing)) return this.#pass(2, 'epilogue')
    const end = this.#pending.indexOf(lineEnd)
    if (end < 0 && this.#pending.length <= paddingBytesMax) return false
    const padding = end < 0 ? undefined : this.#pending.toString('latin1', 0, end)
    if (padding === undefined || !/^[ \t]*$/.test(padding)) {
      throw malformed('has a delimiter with something behind it')
    }
    return this.#pass(end + 2, 'headers')
  }

  #readHeaders(): boolean {
    if (startsWith(this.#pending, lineEnd)) {
      this.#nextBody = 'content'
      return this.#pass(0, 'body-start')
    }
    const end = this.#pending.indexOf(headersEnd)
    if ((end < 0 ? this.#pending.length : end) > headersBytesMax) {
      throw malformed('has endless headers')
    }
    if (end < 0) return false
    const partName = readPartName(this.#pending.toString('utf8', 0, end))
    if (partName === 'ambiguous') throw malformed('has part headers that are not clear')
    this.#nextBody = partName.name === this.#fieldName ? 'field' : 'content'
    return this.#pass(end + 2, 'body-start')
  }

  /** Stands before the empty line. A delimiter made of it would be a part without body to some, and the start of the content to others. */
  #readBodyStart(): boolean {
    if (this.#pending.length < this.#delimiter.length) return false
    if (startsWith(this.#pending, this.#delimiter)) throw malformed('has a part without a body')
    return this.#pass(2, this.#nextBody)
  }

  #readContent(): boolean {
    const at = this.#pending.indexOf(this.#delimiter)
    if (at >= 0) return this.#pass(at + this.#delimiter.length, 'delimiter')
    // The delimiter may have begun in the last bytes.
    const certain = this.#pending.length - this.#delimiter.length + 1
    if (certain > 0) this.#pass(certain, 'content')
    return false
  }

  #readField(): boolean {
    const at = this.#pending.indexOf(this.#delimiter)
    if (
      at > valueBytesMax ||
      (at < 0 && this.#pending.length > valueBytesMax + delimiterBytesMax)
    ) {
      throw malformed(`has a field "${this.#fieldName}" that is too long`)
    }
    if (at < 0) return false
    if (this.#found) throw malformed(`has the field "${this.#fieldName}" twice`)
    this.#found = true
    this.#pieces.push({ value: this.#pending.subarray(0, at) })
    this.#pending = this.#pending.subarray(at)
    return this.#pass(this.#delimiter.length, 'delimiter')
  }

  #passAll(): boolean {
    if (this.#pending.length > 0) this.#pass(this.#pending.length, 'epilogue')
    return false
  }

  #pass(length: number, next: State): true {
    if (length > 0) this.#pieces.push(this.#pending.subarray(0, length))
    this.#pending = this.#pending.subarray(length)
    this.#state = next
    return true
  }
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return (
    bytes.length >= prefix.length && bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  )
}

function malformed(what: string): AppError {
  return new AppError('invalid_request', `The multipart body ${what}.`)
}
