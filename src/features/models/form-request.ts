import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'

export async function readFormRequest(
  _req: IncomingMessage,
  _limits: object,
): Promise<{ model: string | undefined; bodyFor(model: string | undefined): Readable }> {
  throw new AppError('unsupported_media_type', 'Forms are not read yet.')
}
