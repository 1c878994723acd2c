import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Behaviour } from './upstream.ts'
import { event, json, startEventStream, writePiece, writePieces } from './upstream-answers.ts'
import type { StreamOptions } from './upstream-answers.ts'

/** Takes the request and cuts the connection without a word. */
export function hangUp(): Behaviour {
  return async ({ receive, socket }) => {
    await receive()
    socket.destroy()
  }
}

/** Starts a stream with these pieces and then cuts the connection, so that the body has no end. */
export function hangUpAfter(pieces: readonly string[], options: StreamOptions = {}): Behaviour {
  return async (call) => {
    await call.receive()
    await startEventStream(call, options)
    await writePieces(call, pieces, options.intervalMs)
    // Destroying at once would discard what still lies in the socket's queue.
    call.socket.end()
    await once(call.socket, 'finish')
    call.socket.destroy()
  }
}

/** Takes the request and never answers. Ends when the caller goes. */
export function stall(): Behaviour {
  return async ({ receive }) => {
    await receive()
  }
}

/** Never even reads the body. Ends when the caller goes. */
export function refuseToRead(): Behaviour {
  return () => {}
}

/** Starts a stream with these pieces and then falls silent without ending it. */
export function stallAfter(pieces: readonly string[], options: StreamOptions = {}): Behaviour {
  return async (call) => {
    await call.receive()
    await startEventStream(call, options)
    await writePieces(call, pieces, options.intervalMs)
  }
}

/** An error event inside a stream that began with status 200, in the shape of OpenAI. */
export function inBandError(code = 'server_error', text = 'The engine fell over'): string {
  return event({ error: { message: text, type: code, param: null, code } })
}

/** Answers with the body gzipped, whatever the caller says it accepts. */
export function gzipped(body: string, contentType = 'application/json'): Behaviour {
  return async ({ receive, res }) => {
    await receive()
    res.writeHead(200, { 'content-type': contentType, 'content-encoding': 'gzip' })
    res.end(gzipSync(body))
  }
}

/** An error answer in the shape of OpenAI. */
export function failing(status: number, headers: Readonly<Record<string, string>> = {}): Behaviour {
  const error = {
    message: `Failed with ${status}`,
    type: 'upstream_own_type',
    param: null,
    code: null,
  }
  return json(status, { error }, headers)
}

/** A refusal for too many requests, with every header that OpenAI sends with it. */
export function rateLimited(headers: Readonly<Record<string, string>> = {}): Behaviour {
  return failing(429, {
    'retry-after': '2',
    'retry-after-ms': '1500',
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1.5s',
    ...headers,
  })
}

/** Refuses the credential, quoting it in full as careless providers do. */
export function quoteCredential(): Behaviour {
  return async (call) => {
    const quoted = call.request.header('authorization') ?? call.request.header('x-api-key') ?? ''
    const message = `Incorrect API key provided: ${quoted}`
    await json(401, {
      error: { message, type: 'invalid_request_error', param: null, code: 'invalid_api_key' },
    })(call)
  }
}

/** Refuses a request with `stream_options`, as older servers do, and else behaves as told. */
export function refuseStreamOptions(otherwise: Behaviour): Behaviour {
  return async (call) => {
    await call.receive()
    const refused = 'stream_options' in call.request.json()
    await (refused ? failing(400) : otherwise)(call)
  }
}

/** Waits before it behaves as told. */
export function delayed(delayMs: number, then: Behaviour): Behaviour {
  return async (call) => {
    await call.receive()
    await pause(delayMs, undefined, { signal: call.gone })
    await then(call)
  }
}

/** How far a flood has come. */
export interface Flood {
  /** Bytes that the upstream could hand to its socket so far. */
  sentBytes: number
}

/** Streams `totalBytes` as events of 64 KiB, as fast as the caller reads, and keeps count in `flood`. */
export function flooding(totalBytes: number, flood: Flood = { sentBytes: 0 }): Behaviour {
  const piece = Buffer.from(`data: ${'x'.repeat(65_536 - 8)}\n\n`)
  return async (call) => {
    await call.receive()
    await startEventStream(call)
    while (flood.sentBytes < totalBytes) {
      flood.sentBytes += piece.length
      await writePiece(call, piece)
    }
    call.res.end()
  }
}

/** Sends these very bytes instead of an HTTP answer and closes the connection. */
export function raw(...pieces: readonly (string | Buffer)[]): Behaviour {
  return async ({ receive, socket }) => {
    await receive()
    for (const piece of pieces) socket.write(piece, 'latin1')
    socket.end()
  }
}

/** Answers that break the rules of HTTP/1.1 framing, each named by what is wrong with it. */
export const badFraming: Readonly<Record<string, Behaviour>> = {
  'both a length and chunks': raw(
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ),
  'two lengths': raw('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!'),
  'a chunk size that is no number': raw(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n',
  ),
  'a header of 70 KB': raw(
    `HTTP/1.1 200 OK\r\nx-large: ${'a'.repeat(70_000)}\r\ncontent-length: 2\r\n\r\n{}`,
  ),
  'a bare CR in a header': raw('HTTP/1.1 200 OK\r\nx-a: b\rc\r\ncontent-length: 2\r\n\r\n{}'),
  'a body shorter than its length': raw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a":1}'),
  'no HTTP at all': raw('SSH-2.0-OpenSSH_9.2\r\n'),
}

/** Sends `count` informational answers before the real one. */
export function informationalFlood(count: number): Behaviour {
  const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n'.repeat(count)
  return raw(early, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
}
