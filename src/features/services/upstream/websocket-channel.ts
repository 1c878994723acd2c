import type { RawData, WebSocket } from 'ws'
import { AppError } from '../../../lib/errors.ts'
import { openWebSocket } from '../../../net/websocket-client.ts'
import type { Channel } from '../wire/channel.ts'
import { withConfigured, type HttpServer } from './http/http-server.ts'
import { guardedLookup, type UpstreamPools } from './upstream-pools.ts'

/** A server that is reached by WebSocket. */
export interface WebSocketServer extends Omit<HttpServer, 'upstream' | 'onStatus'> {
  readonly allowPrivate: boolean
  readonly resolve: UpstreamPools['resolve']
  /** How often the other end is asked for a sign of life; one that gives none until the next time is gone. */
  readonly pingMs?: number
}

const handshakeMs = 10_000
const defaultPingMs = 30_000
/** How long a server may take to answer the close. */
const closeMs = 1_000
/** Bytes that wait in the socket before whoever sends should wait too. */
const bufferedBytesMax = 1024 * 1024
/** Close code of a frame of a kind that is not taken (RFC 6455 section 7.4.1). */
const unsupportedData = 1003

/** Opens a channel over a WebSocket with the subprotocol `mcp`, one message a text frame. Rejects as `openWebSocket` does. */
export async function openWebSocketChannel(
  server: WebSocketServer,
  signal: AbortSignal,
): Promise<Channel> {
  const socket = await openWebSocket({
    url: server.url,
    subprotocol: 'mcp',
    headers: withConfigured([], server),
    lookup: guardedLookup(server.url, server),
    handshakeMs,
    messageBytesMax: server.messageBytesMax,
    signal,
  })
  return createWebSocketChannel(socket, server.pingMs ?? defaultPingMs)
}

function createWebSocketChannel(socket: WebSocket, pingMs: number): Channel {
  const closed = Promise.withResolvers<AppError | undefined>()
  let take: (bytes: Buffer) => void = () => {}
  const stopPings = keepAlive(socket, pingMs)
  socket.on('message', (data, isBinary) => {
    if (isBinary) socket.close(unsupportedData)
    else take(toBuffer(data))
  })
  socket.once('close', () => {
    stopPings()
    closed.resolve(new AppError('upstream_failed', 'The server closed the connection.'))
  })
  return {
    send(bytes) {
      if (socket.readyState !== socket.OPEN) return undefined
      const isRoomy = socket.bufferedAmount + bytes.length < bufferedBytesMax
      const { promise, resolve } = Promise.withResolvers<void>()
      socket.send(bytes, { binary: false }, () => resolve())
      return isRoomy ? undefined : promise
    },
    receive(onMessage) {
      take = onMessage
      socket.resume()
    },
    closed: closed.promise,
    async [Symbol.asyncDispose]() {
      closed.resolve(undefined)
      stopPings()
      socket.resume()
      socket.close()
      const timer = setTimeout(() => socket.terminate(), closeMs).unref()
      socket.once('close', () => clearTimeout(timer))
    },
  }
}

function keepAlive(socket: WebSocket, pingMs: number): () => void {
  let isAlive = true
  socket.on('pong', () => (isAlive = true))
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
  }, pingMs)
  return () => clearInterval(timer)
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}
