import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorDefinitions, type AppError } from '../lib/errors.ts'
import { isTls, securityHeaders } from './security-headers.ts'

/** The JSON body of an error answer. */
interface ErrorBody {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly hint: string
    readonly param?: string
    readonly issues?: readonly { readonly path: string; readonly message: string }[]
    readonly requestId: string
  }
}

/** The body that tells a client about `error`. The hint falls back to the remedy of the code. */
function errorBody(error: AppError, requestId: string): ErrorBody {
  const { hint = errorDefinitions[error.code].remedy, param, issues } = error.details
  return {
    error: {
      code: error.code,
      message: error.message,
      hint,
      ...(param === undefined ? {} : { param }),
      ...(issues === undefined ? {} : { issues }),
      requestId,
    },
  }
}

/**
 * Answers with `error` as JSON and ends the response; if its head is out already, destroys it.
 * After a refusal that leaves doubt about where the next request starts, the connection closes.
 */
export function writeError(res: ServerResponse, error: AppError, requestId: string): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  const body = JSON.stringify(errorBody(error, requestId))
  res.writeHead(error.status, [
    ...errorHeaders(error, { requestId, body, tls: isTls(res.socket) }),
    ...(closingStatuses.has(error.status) ? ['connection', 'close'] : []),
  ])
  res.end(body)
}

/** Answers with `error` on a bare connection, where there is no response object, and closes it. */
export function writeSocketError(socket: Duplex, error: AppError, requestId: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(errorBody(error, requestId))
  const headers = errorHeaders(error, { requestId, body, tls: isTls(socket) })
  const head = formatResponseHead(error.status, [...headers, 'connection', 'close'])
  socket.end(head + body, () => socket.destroy())
}

/** The head of an HTTP/1.1 response as text, with the empty line. `headers` is a flat list whose values hold no line breaks. */
export function formatResponseHead(status: number, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < headers.length; index += 2) {
    head += `${headers[index]}: ${headers[index + 1]}\r\n`
  }
  return `${head}\r\n`
}

const closingStatuses: ReadonlySet<number> = new Set([400, 408, 413, 414, 417, 431, 505])

function errorHeaders(
  error: AppError,
  answer: { readonly requestId: string; readonly body: string; readonly tls: boolean },
): string[] {
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(answer.body)),
    'x-gateway-request-id',
    answer.requestId,
    ...securityHeaders('management', answer.tls),
  ]
  if (error.status === 401) headers.push('www-authenticate', 'Bearer')
  const { retryAfterMs } = error.details
  if (retryAfterMs !== undefined) {
    headers.push('retry-after', String(Math.ceil(retryAfterMs / 1_000)))
    headers.push('retry-after-ms', String(Math.ceil(retryAfterMs)))
  }
  for (const [name, value] of Object.entries(error.details.headers ?? {})) headers.push(name, value)
  return headers
}
