import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { AppError } from '../lib/errors.ts'

/** How much of a body is accepted, and how patiently. */
export interface BodyLimits {
  /** Applies to the body as sent and as decoded. */
  readonly bytesMax: number
  /** Longest silence while the body arrives, ms. */
  readonly stallMs: number
}

/** The client went away before its request was complete; there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

type Decode = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
])

/**
 * Reads the whole body of `req`, and undoes its `content-encoding` (gzip, deflate, br, zstd).
 * Rejects with `request_too_large`, `request_timeout`, `unsupported_media_type`, `invalid_request` (undecodable),
 * or with `ClientGone`.
 */
export async function readBody(req: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const bytes = await readRaw(req, limits)
  const encoding = req.headers['content-encoding']
  if (encoding === undefined || encoding === '' || encoding === 'identity') return bytes
  const decode = decoders.get(encoding.toLowerCase())
  if (decode === undefined) {
    throw new AppError('unsupported_media_type', `Content encoding "${encoding}" is not supported.`)
  }
  return decode(bytes, { maxOutputLength: limits.bytesMax }).catch((cause: unknown) => {
    throw isTooLarge(cause)
      ? tooLarge(limits.bytesMax)
      : new AppError('invalid_request', `The body is not valid ${encoding}.`, { cause })
  })
}

function isTooLarge(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
}

function tooLarge(bytesMax: number): AppError {
  return new AppError('request_too_large', `The body is larger than ${bytesMax} bytes.`)
}

function readRaw(req: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  if (Number(req.headers['content-length'] ?? 0) > limits.bytesMax) {
    req.resume()
    return Promise.reject(tooLarge(limits.bytesMax))
  }
  // Armed only when the body does not come with the head: most do, and a timer costs.
  let stall: NodeJS.Timeout | undefined
  const leave = () => {
    clearImmediate(armed)
    clearTimeout(stall)
    req.off('data', onData).off('end', onEnd).off('close', onClose)
  }
  const fail = (error: Error) => {
    leave()
    req.resume()
    reject(error)
  }
  const armed = setImmediate(() => {
    stall = setTimeout(() => {
      fail(new AppError('request_timeout', `The body stood still for ${limits.stallMs} ms.`))
    }, limits.stallMs)
  })
  const onData = (chunk: Buffer) => {
    size += chunk.length
    if (size > limits.bytesMax) return fail(tooLarge(limits.bytesMax))
    chunks.push(chunk)
    stall?.refresh()
  }
  const onEnd = () => {
    leave()
    resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size))
  }
  const onClose = () => {
    fail(new ClientGone('The client left while sending its request'))
  }
  req.on('data', onData).once('end', onEnd).once('close', onClose)
  return promise
}
