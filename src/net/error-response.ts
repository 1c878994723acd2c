import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { AppError, errorDefinitions } from '../lib/errors.ts'
import { answerHeaders } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { STATUS_CODES } from './node-http.ts'

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
export function errorBody(error: AppError, requestId: string): ErrorBody {
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

/** The headers that belong to `error` itself, whatever its body looks like: a flat list name, value, … */
export function errorHeaders(error: AppError): string[] {
  const headers: string[] = []
  if (error.status === 401) headers.push('www-authenticate', 'Bearer')
  const { retryAfterMs } = error.details
  if (retryAfterMs !== undefined) {
    headers.push('retry-after', String(Math.ceil(retryAfterMs / 1_000)))
    headers.push('retry-after-ms', String(Math.ceil(retryAfterMs)))
  }
  for (const [name, value] of Object.entries(error.details.headers ?? {})) headers.push(name, value)
  return headers
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
    ...contentHeaders(body),
    ...answerHeaders('management', requestId, res.socket),
    ...errorHeaders(error),
    ...(closingStatuses.has(error.status) ? ['connection', 'close'] : []),
  ])
  res.end(body)
}

/** Answers an exchange with `error`, and notes its code for the access line. */
export function refuse({ res, id, note }: Exchange, error: AppError): void {
  note.error = error.code
  writeError(res, error, id)
}

/** An error as a client may see it: what nobody foresaw may carry anything, so nothing of it but its cause remains. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('internal_error', errorDefinitions.internal_error.meaning, { cause: error })
}

/** Answers with `error` on a bare connection, where there is no response object, and closes it. */
export function writeSocketError(socket: Duplex, error: AppError, requestId: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(errorBody(error, requestId))
  const head = formatResponseHead(error.status, [
    ...contentHeaders(body),
    ...answerHeaders('management', requestId, socket),
    ...errorHeaders(error),
    'connection',
    'close',
  ])
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

function contentHeaders(body: string): string[] {
  const length = String(Buffer.byteLength(body))
  return ['content-type', 'application/json; charset=utf-8', 'content-length', length]
}
