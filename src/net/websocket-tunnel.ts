import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { pipeline, type Duplex } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { effectivePort } from './address-guard.ts'
import { formatResponseHead, writeSocketError } from './error-response.ts'
import type { UpgradeRequest } from './exchange.ts'
import { forwardResponseHeaders } from './headers.ts'
import { joinSockets } from './join-sockets.ts'
import { request as httpRequest } from './node-http.ts'

/** The upstream end of a tunnel. */
export interface WebSocketTarget {
  /** `http:` or `https:`; only its host and port count. As from `parseOutboundUrl`, which has judged an IP literal in it. */
  readonly origin: URL
  /** Path and query, starting with `/`. */
  readonly path: string
  /** Flat list name, value, … with the client's `sec-websocket-*`; no hop-by-hop headers and no `host`. */
  readonly headers: readonly string[]
  readonly lookup: LookupFunction
  /** Until the connection, with TLS, is made. */
  readonly connectMs: number
  /** From then until the upstream has answered the handshake. */
  readonly handshakeMs: number
}

/** How a tunnel ended. The client has been answered in every case. */
export type TunnelOutcome =
  | { readonly state: 'closed'; readonly bytesUp: number; readonly bytesDown: number }
  | { readonly state: 'refused'; readonly status: number }
  | { readonly state: 'failed'; readonly error: AppError }
  | { readonly state: 'abandoned' }

const responseHeadBytesMax = 64 * 1_024

/**
 * Passes an admitted WebSocket handshake on to an upstream, relays its answer, and from a 101 on carries bytes both ways without looking at
 * them: extensions, fragments and close codes are between client and upstream. A refusal by the upstream reaches the client as it is.
 * Resolves when both connections are done with; never rejects. Aborting `signal` cuts both at once.
 */
export async function tunnelWebSocket(
  upgrade: UpgradeRequest,
  target: WebSocketTarget,
  signal?: AbortSignal,
): Promise<TunnelOutcome> {
  const client = upgrade.socket
  const request = sendHandshake(target)
  const cut = () => {
    request.destroy()
    client.destroy()
  }
  signal?.addEventListener('abort', cut, { once: true })
  if (signal?.aborted === true) cut()
  const answer = await awaitAnswer(request, client, target)
  const outcome = await relayAnswer(upgrade, answer)
  signal?.removeEventListener('abort', cut)
  return outcome
}

/** What the handshake led to. */
type Answer =
  | {
      readonly kind: 'switched'
      readonly response: IncomingMessage
      readonly upstream: Socket
      readonly head: Buffer
    }
  | { readonly kind: 'response'; readonly response: IncomingMessage }
  | { readonly kind: 'error'; readonly error: AppError }
  | { readonly kind: 'client-gone' }

function sendHandshake({ origin, path, headers, lookup }: WebSocketTarget): ClientRequest {
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const isSecure = origin.protocol === 'https:' || origin.protocol === 'wss:'
  const options = {
    host,
    port: effectivePort(origin),
    path,
    lookup,
    agent: false,
    allowHalfOpen: true,
    noDelay: true,
    maxHeaderSize: responseHeadBytesMax,
    headers: ['Host', origin.host, 'Connection', 'Upgrade', 'Upgrade', 'websocket', ...headers],
    // SNI knows names only.
    ...(isSecure && isIP(host) === 0 ? { servername: host } : {}),
  }
  const request = (isSecure ? httpsRequest : httpRequest)(options)
  request.end()
  return request
}

function awaitAnswer(
  request: ClientRequest,
  client: Duplex,
  { connectMs, handshakeMs }: WebSocketTarget,
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  let failureCode: 'upstream_unreachable' | 'upstream_failed' = 'upstream_unreachable'
  const expire = () => settle(failure('upstream_timeout', 'did not answer in time'))
  let timer = setTimeout(expire, connectMs)
  const onConnected = () => {
    failureCode = 'upstream_failed'
    clearTimeout(timer)
    timer = setTimeout(expire, handshakeMs)
  }
  // Without reading, the end of the client's side would go unnoticed; what it may have sent already stays in the buffer.
  const onReadable = () => {
    if (client.readableLength === 0) client.read()
  }
  const onGone = () => settle({ kind: 'client-gone' })
  const settle = (answer: Answer) => {
    clearTimeout(timer)
    client.off('readable', onReadable).off('end', onGone).off('close', onGone)
    if (answer.kind === 'error' || answer.kind === 'client-gone') request.destroy()
    resolve(answer)
  }
  request.once('socket', (socket) => {
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnected)
  })
  request.once('upgrade', (response, upstream: Socket, head) => {
    settle({ kind: 'switched', response, upstream, head })
  })
  request.once('response', (response) => settle({ kind: 'response', response }))
  request.on('error', (cause) => settle(failure(failureCode, 'could not be reached', cause)))
  client.on('readable', onReadable).once('end', onGone).once('close', onGone)
  if (client.destroyed) onGone()
  return promise
}

async function relayAnswer(upgrade: UpgradeRequest, answer: Answer): Promise<TunnelOutcome> {
  switch (answer.kind) {
    case 'client-gone':
      upgrade.socket.destroy()
      return { state: 'abandoned' }
    case 'error':
      writeSocketError(upgrade.socket, answer.error, upgrade.id)
      return { state: 'failed', error: answer.error }
    case 'response':
      await relayRefusal(upgrade, answer.response)
      return { state: 'refused', status: answer.response.statusCode ?? 0 }
    case 'switched':
      return relaySwitched(upgrade, answer)
  }
}

async function relaySwitched(
  { socket: client, head, id }: UpgradeRequest,
  { response, upstream, head: upstreamHead }: Extract<Answer, { kind: 'switched' }>,
): Promise<TunnelOutcome> {
  upstream.on('error', () => upstream.destroy())
  if (response.headers.upgrade?.toLowerCase() !== 'websocket') {
    upstream.destroy()
    const { error } = failure('upstream_failed', 'switched to another protocol')
    writeSocketError(client, error, id)
    return { state: 'failed', error }
  }
  const headers = [
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
    ...forwardResponseHeaders(response.rawHeaders),
    'x-gateway-request-id',
    id,
  ]
  client.write(formatResponseHead(101, headers), 'latin1')
  if (upstreamHead.length > 0) client.write(upstreamHead)
  if (head.length > 0) upstream.write(head)
  await joinSockets(client, upstream)
  return { state: 'closed', bytesUp: upstream.bytesWritten, bytesDown: upstream.bytesRead }
}

/** The end of the connection is the end of the body, so one that broke off must not end in good order. */
function relayRefusal({ socket: client, id }: UpgradeRequest, response: IncomingMessage) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const headers = forwardResponseHeaders(response.rawHeaders)
  headers.push('x-gateway-request-id', id, 'connection', 'close')
  client.write(formatResponseHead(response.statusCode ?? 502, headers), 'latin1')
  response.setTimeout(stalledBodyMs, () => response.destroy())
  pipeline(response, client, (error) => {
    if (error && 'resetAndDestroy' in client) (client as Socket).resetAndDestroy()
    else client.destroy()
    resolve()
  })
  return promise
}

const stalledBodyMs = 30_000

function failure(code: AppError['code'], what: string, cause?: Error) {
  const error = new AppError(code, `The upstream ${what}.`, { cause })
  return { kind: 'error', error } as const
}
