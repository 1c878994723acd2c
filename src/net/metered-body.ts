import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import type { BodyLimits } from './request-body.ts'

/**
 * The body of `req` as a stream that ends with `request_too_large` when it goes on for longer than allowed, and with
 * `request_timeout` when it stands still.
 */
export function meteredBody(req: IncomingMessage, limits: BodyLimits): Readable {
  return Readable.from(metered(req, limits), { objectMode: false })
}

async function* metered(req: IncomingMessage, limits: BodyLimits): AsyncGenerator<Buffer> {
  let size = 0
  const stall = setTimeout(() => {
    req.destroy(new AppError('request_timeout', `The body stood still for ${limits.stallMs} ms.`))
  }, limits.stallMs)
  using _timer = { [Symbol.dispose]: () => clearTimeout(stall) }
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limits.bytesMax) {
      throw new AppError('request_too_large', `The body is larger than ${limits.bytesMax} bytes.`)
    }
    yield chunk
    // The upstream's own slowness is not the client's: the clock restarts when it asks for more.
    stall.refresh()
  }
}
