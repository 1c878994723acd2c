import { AppError } from '../lib/errors.ts'
import { MultipartScanner, type MultipartPiece } from './multipart-scanner.ts'

/** Which field to find, and how far to look. */
export interface FieldSearch {
  readonly boundary: string
  readonly fieldName: string
  /** What may come before the field; it waits in memory, for nobody knows yet where to send it. */
  readonly bufferBytesMax: number
}

/** A form of which one field has been read, and whose rest is still arriving. */
export interface OpenedForm {
  /** The value of the field, as the client sent it. */
  readonly value: string
  /** How many bytes longer the form becomes with `replacement` in place of the value; negative if shorter. */
  growth(replacement: string): number
  /** The whole form with `replacement` in place of the value. To be read once; fails with `invalid_request` where the form is malformed. */
  body(replacement: string): AsyncGenerator<Buffer, void, undefined>
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
 * Rejects with `request_too_large` when the field has not come within `bufferBytesMax`, and with `invalid_request` when it
 * is missing or the form is malformed.
 */
export async function openForm(
  body: AsyncIterable<Buffer>,
  { boundary, fieldName, bufferBytesMax }: FieldSearch,
): Promise<OpenedForm> {
  const scanner = new MultipartScanner(boundary, fieldName)
  const chunks = body[Symbol.asyncIterator]()
  const kept: MultipartPiece[] = []
  let keptBytes = 0
  for (;;) {
    const { done, value: chunk } = await chunks.next()
    if (done === true) {
      scanner.finish()
      throw new AppError('invalid_request', `The form has no field "${fieldName}".`, {
        param: fieldName,
      })
    }
    const pieces = scanner.push(chunk)
    kept.push(...pieces)
    const field = pieces.find(isField)
    if (field !== undefined) return toOpenedForm({ field, kept, scanner, chunks })
    keptBytes += chunk.length
    if (keptBytes > bufferBytesMax) {
      throw new AppError(
        'request_too_large',
        `The field "${fieldName}" comes too late in the form.`,
        {
          hint: `Send the field "${fieldName}" before the file.`,
        },
      )
    }
  }
}

type Field = Exclude<MultipartPiece, Buffer>

function isField(piece: MultipartPiece): piece is Field {
  return !Buffer.isBuffer(piece)
}

function toOpenedForm(opened: {
  readonly field: Field
  readonly kept: MultipartPiece[]
  readonly scanner: MultipartScanner
  readonly chunks: AsyncIterator<Buffer>
}): OpenedForm {
  const { field, kept, scanner, chunks } = opened
  return {
    value: field.value.toString('utf8'),
    growth: (replacement) => Buffer.byteLength(replacement) - field.value.length,
    async *body(replacement) {
      const substitute = Buffer.from(replacement)
      for (const piece of kept.splice(0)) yield isField(piece) ? substitute : piece
      for (;;) {
        const { done, value: chunk } = await chunks.next()
        if (done === true) break
        // A second field of the name makes the scanner throw, so all that is left are bytes.
        for (const piece of scanner.push(chunk)) yield piece as Buffer
      }
      scanner.finish()
    },
  }
}
