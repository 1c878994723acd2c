import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { ClientGone } from './request-body.ts'
import type { BodyLimits } from './request-body.ts'

/**
 * The body of `req` as a stream, as fast as its reader takes it. It fails with `request_too_large` when it goes on for
 * longer than allowed, with `request_timeout` when the client keeps a waiting reader waiting, and with `ClientGone`.
 * `req` outlives it and can still be answered; what its client goes on sending then is thrown away.
 */
export function meteredBody(req: IncomingMessage, { bytesMax, stallMs }: BodyLimits): Readable {
  let size = 0
  let stall: NodeJS.Timeout | undefined

  const body = new Readable({
    read() {
      req.resume()
      // Runs only while somebody waits for the client: a slow reader is not the client's fault.
      stall ??= setTimeout(() => body.destroy(standstill(stallMs)), stallMs)
    },
    destroy(error, callback) {
      clearTimeout(stall)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      req.resume()
      callback(error)
    },
  })

  const onData = (chunk: Buffer) => {
    size += chunk.length
    if (size > bytesMax) return body.destroy(tooLong(bytesMax))
    if (body.push(chunk)) return stall?.refresh()
    clearTimeout(stall)
    stall = undefined
    return req.pause()
  }
  const onEnd = () => {
    clearTimeout(stall)
    body.push(null)
  }
  const onClose = () => {
    if (!req.readableEnded)
      body.destroy(new ClientGone('The client left while sending its request'))
  }
  req.on('data', onData).once('end', onEnd).once('close', onClose).pause()
  if (req.destroyed) onClose()
  return body
}

function tooLong(bytesMax: number): AppError {
  return new AppError('request_too_large', `The body is larger than ${bytesMax} bytes.`)
}

function standstill(stallMs: number): AppError {
  return new AppError('request_timeout', `The body stood still for ${stallMs} ms.`)
}
