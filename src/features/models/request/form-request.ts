import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { AppError } from '../../../lib/errors.ts'
import { meteredBody } from '../../../net/metered-body.ts'
import { multipartBoundary, openForm } from '../../../net/multipart-field.ts'

/** How much of a form is accepted, and how much of it may be held until its model is known. */
export interface FormLimits {
  readonly bytesMax: number
  readonly heldBytesMax: number
  /** Longest silence while the form arrives, ms. */
  readonly stallMs: number
}

/** A form whose model is known. Its files are still on their way: they stream through, and can be sent once. */
export interface FormRequest {
  readonly model: string | undefined
  /** Length of the body as it goes out, where the client told that of its own. */
  lengthWith(model: string | undefined): number | undefined
  bodyWith(model: string | undefined): Readable
}

/**
 * Reads a form up to its field `model`.
 * Throws `invalid_request`, `unsupported_media_type`, and `request_too_large` where too much comes before that field.
 */
export async function readFormRequest(
  req: IncomingMessage,
  { bytesMax, heldBytesMax, stallMs }: FormLimits,
): Promise<FormRequest> {
  const length = Number(req.headers['content-length'])
  if (length > bytesMax) {
    throw new AppError('request_too_large', `The body is larger than ${bytesMax} bytes.`)
  }
  const boundary = multipartBoundary(req.headers['content-type'] ?? '')
  if (boundary === undefined) {
    throw new AppError(
      'unsupported_media_type',
      'The body must be multipart/form-data with a boundary.',
    )
  }
  const form = await openForm(meteredBody(req, { bytesMax, stallMs }), {
    boundary,
    fieldName: 'model',
    bufferBytesMax: heldBytesMax,
  })
  return {
    model: form.value,
    lengthWith: (model) =>
      Number.isNaN(length) ? undefined : length + (model === undefined ? 0 : form.growth(model)),
    bodyWith: (model) => Readable.from(form.body(model), { objectMode: false }),
  }
}
