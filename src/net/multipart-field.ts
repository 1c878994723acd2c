import { AppError } from '../lib/errors.ts'
import { MultipartScanner, type MultipartPiece } from './multipart-scanner.ts'

/** Which field to find, and how far to look. */
export interface FieldSearch {
  readonly boundary: string
  readonly fieldName: string
  /** What may come before the field; it waits in memory, for nobody knows yet where to send it. */
  readonly bufferBytesMax: number
}

/** A form of which one field has been looked for, and whose rest may still be arriving. */
export interface OpenedForm {
  /** The value of the field, as the client sent it; undefined if the form, which then has arrived whole, does not have it. */
  readonly value: string | undefined
  /** How many bytes longer the form becomes with `replacement` in place of the value; negative if shorter. */
  growth(replacement: string): number
  /**
   * The whole form with `replacement` in place of the value, or as it came if there is none. To be read once.
   * Fails with `invalid_request` where the form turns out to be malformed, and as the body itself fails.
   */
  body(replacement?: string): AsyncGenerator<Buffer, void, undefined>
}

/** The boundary of a multipart/form-data content type, or undefined if it is another type or has no single, proper boundary. Source: RFC 2046 section 5.1.1. */
export function multipartBoundary(contentType: string): string | undefined {
  if (!/^multipart\/form-data[ \t]*;/i.test(contentType)) return undefined
  const boundaries = [...contentType.matchAll(/;[ \t]*boundary=(?:"([^"]*)"|([^\s";]*))/gi)]
  const [match] = boundaries
  const boundary = match?.[1] ?? match?.[2] ?? ''
  const isProper = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)
  return boundaries.length === 1 && isProper ? boundary : undefined
}

/**
 * Reads a form until the field has been found, keeping what came before it; files behind it are never held.
 * Rejects with `request_too_large` when the field has not come within `bufferBytesMax`, with `invalid_request` when the form is
 * malformed, and as the body itself fails. Does not close `body` then: an error can still be answered on its connection.
 */
export async function openForm(
  body: AsyncIterable<Buffer>,
  { boundary, fieldName, bufferBytesMax }: FieldSearch,
): Promise<OpenedForm> {
  const scanner = new MultipartScanner(boundary, fieldName)
  const chunks = body[Symbol.asyncIterator]()
  const held: MultipartPiece[] = []
  let heldBytes = 0
  for (;;) {
    const { done, value: chunk } = await chunks.next()
    if (done === true) {
      scanner.finish()
      return toOpenedForm({ field: undefined, held, rest: noBytes() })
    }
    const pieces = scanner.push(chunk)
    held.push(...pieces)
    const field = pieces.find(isField)
    if (field !== undefined) return toOpenedForm({ field, held, rest: scanRest(scanner, chunks) })
    heldBytes += chunk.length
    if (heldBytes > bufferBytesMax) {
      throw new AppError(
        'request_too_large',
        `The field "${fieldName}" comes too late in the form.`,
        { param: fieldName, hint: `Send the field "${fieldName}" before the file.` },
      )
    }
  }
}

type Field = Exclude<MultipartPiece, Buffer>

function isField(piece: MultipartPiece): piece is Field {
  return !Buffer.isBuffer(piece)
}

function toOpenedForm({
  field,
  held,
  rest,
}: {
  readonly field: Field | undefined
  readonly held: MultipartPiece[]
  readonly rest: AsyncIterable<Buffer>
}): OpenedForm {
  return {
    value: field?.value.toString('utf8'),
    growth: (replacement) =>
      field === undefined ? 0 : Buffer.byteLength(replacement) - field.value.length,
    async *body(replacement) {
      const substitute = replacement === undefined ? undefined : Buffer.from(replacement)
      for (const piece of held.splice(0)) {
        yield isField(piece) ? (substitute ?? piece.value) : piece
      }
      yield* rest
    },
  }
}

/** What comes behind the field. A second one of the name makes the scanner throw, so all that is left are bytes. */
async function* scanRest(
  scanner: MultipartScanner,
  chunks: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  for (;;) {
    const { done, value: chunk } = await chunks.next()
    if (done === true) break
    for (const piece of scanner.push(chunk)) yield piece as Buffer
  }
  scanner.finish()
}

async function* noBytes(): AsyncGenerator<Buffer> {}
