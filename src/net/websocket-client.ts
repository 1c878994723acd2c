import type { ClientRequest } from 'node:http'
import type { LookupFunction } from 'node:net'
import { WebSocket } from 'ws'
import { AppError } from '../lib/errors.ts'

/** A WebSocket to be opened. */
export interface WebSocketClientOptions {
  /** `ws:` or `wss:`. As from `parseOutboundUrl`, which has judged an IP literal in it. */
  readonly url: URL
  readonly subprotocol: string
  /** Flat list name, value, …; no `host`, nothing of the handshake itself. */
  readonly headers: readonly string[]
  readonly lookup: LookupFunction
  /** Until the handshake is over. */
  readonly handshakeMs: number
  readonly messageBytesMax: number
  readonly signal: AbortSignal
}

/**
 * Opens a WebSocket. It does not compress, and follows no redirect, and is paused, so that nothing is lost. Whoever asked for it closes it, and has to hear its errors.
 * Rejects with `upstream_unreachable`, `upstream_failed` where the handshake is refused, `destination_not_allowed`, or
 * `upstream_timeout` when `signal` aborts.
 */
export function openWebSocket(options: WebSocketClientOptions): Promise<WebSocket> {
  const { url, subprotocol, lookup, handshakeMs, messageBytesMax, signal } = options
  if (signal.aborted) return Promise.reject(tooLate())
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>()
  const socket = new WebSocket(url, subprotocol, {
    headers: toObject(options.headers),
    lookup,
    handshakeTimeout: handshakeMs,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    followRedirects: false,
  })
  const abort = () => {
    reject(tooLate())
    socket.terminate()
  }
  socket.on('error', (cause) => reject(toFailure(cause)))
  socket.once('unexpected-response', (request: ClientRequest, { statusCode }) => {
    reject(new AppError('upstream_failed', `The server answered with status ${statusCode}.`))
    request.destroy()
  })
  socket.once('open', () => {
    // What comes right behind the handshake would find nobody who listens.
    socket.pause()
    resolve(socket)
  })
  signal.addEventListener('abort', abort, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', abort))
}

function toObject(headers: readonly string[]): Record<string, string[]> {
  const named: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    named[name] = [...(named[name] ?? []), headers[at + 1] as string]
  }
  return named
}

function toFailure(cause: Error): AppError {
  if (cause instanceof AppError && cause.code === 'destination_not_allowed') return cause
  return new AppError('upstream_unreachable', 'The server could not be reached.', { cause })
}

function tooLate(): AppError {
  return new AppError('upstream_timeout', 'The server did not answer the handshake in time.')
}
