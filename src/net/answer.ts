import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import {
  isTls,
  pageSecurityHeaders,
  securityHeaders,
  type PageOptions,
  type ResponsePlane,
} from './security-headers.ts'

/** A complete small answer of Portico's own. */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  /** Flat list name, value, … */
  readonly headers?: readonly string[]
  /** What the body holds inline, where it is a page. */
  readonly page?: Omit<PageOptions, 'tls'>
}

/** Sends an answer with the request's id and the security headers of its plane, or of a page. HEAD gets its head alone. */
export function sendAnswer({ req, res, id }: Exchange, plane: ResponsePlane, answer: Answer): void {
  const { status, type, body, headers = [], page } = answer
  const secure =
    page === undefined
      ? securityHeaders(plane, isTls(req.socket))
      : pageSecurityHeaders({ ...page, tls: isTls(req.socket) })
  res.writeHead(status, [
    'content-type',
    type,
    'content-length',
    String(Buffer.byteLength(body)),
    ...idHeaders(id),
    ...secure,
    ...headers,
  ])
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** A JSON answer. `headers` is a flat list name, value, … */
export function jsonAnswer(status: number, value: object, headers: readonly string[] = []): Answer {
  const type = 'application/json; charset=utf-8'
  return { status, type, body: JSON.stringify(value), headers }
}

/** An answer that sends the client elsewhere. */
export function redirectAnswer(status: 302 | 303, location: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: '', headers: ['location', location] }
}

/** What every answer carries that is not sent by `sendAnswer`: the request's id under both of its names, and the security headers. */
export function answerHeaders(
  plane: ResponsePlane,
  requestId: string,
  socket: Duplex | null,
): string[] {
  return [...idHeaders(requestId), ...securityHeaders(plane, isTls(socket))]
}

function idHeaders(requestId: string): string[] {
  return ['x-gateway-request-id', requestId, 'x-request-id', requestId]
}
