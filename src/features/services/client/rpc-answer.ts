import { AppError } from '../../../lib/errors.ts'
import { answerHeaders } from '../../../net/answer.ts'
import { errorHeaders, formatResponseHead } from '../../../net/error-response.ts'
import type { Exchange, UpgradeRequest } from '../../../net/exchange.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'
import { makeError, type IdText } from '../wire/rpc-message.ts'

/** A refusal whose HTTP status and JSON-RPC error are both given. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly status: number
  readonly error: RpcError

  constructor(status: number, error: RpcError) {
    super(error.message)
    this.status = status
    this.error = error
  }
}

/** The refusal of a request that cannot be served as it is. */
export function invalidRequest(message: string, status = 400): RpcRefusal {
  return new RpcRefusal(status, new RpcError(rpcCodes.invalidRequest, message))
}

/** The answer for a session that is unknown, over or somebody else's; clients begin anew on its status alone. */
export function sessionNotFound(): RpcRefusal {
  const data = { code: 'session_not_found' }
  return new RpcRefusal(404, new RpcError(rpcCodes.invalidRequest, 'Session not found', data))
}

const statuses: Readonly<Record<number, number>> = {
  [rpcCodes.parseError]: 400,
  [rpcCodes.invalidRequest]: 400,
  [rpcCodes.headerMismatch]: 400,
  [rpcCodes.missingCapability]: 400,
  [rpcCodes.unsupportedVersion]: 400,
  [rpcCodes.methodNotFound]: 404,
}

/** The HTTP status that revision 2026-07-28 gives a JSON-RPC error; 200 for what is the business of the server behind. */
export function statusOfCode(code: number): number {
  return statuses[code] ?? 200
}

/** What an error is answered with. */
export interface ErrorAnswer {
  readonly status: number
  readonly error: RpcError
  /** Flat list name, value, … */
  readonly headers: readonly string[]
  /** For the access line. */
  readonly code: string
}

/** How any failure is told to a client over HTTP. */
export function toErrorAnswer(error: unknown, requestId: string): ErrorAnswer {
  if (error instanceof RpcRefusal) {
    return { status: error.status, error: error.error, headers: [], code: codeOf(error.error) }
  }
  if (error instanceof RpcError) {
    const status = error.code === rpcCodes.invalidParams ? 400 : statusOfCode(error.code)
    return { status: status === 200 ? 500 : status, error, headers: [], code: codeOf(error) }
  }
  const rpc = toRpcError(error, requestId)
  if (!(error instanceof AppError)) {
    return { status: 500, error: rpc, headers: [], code: 'internal_error' }
  }
  return { status: error.status, error: rpc, headers: errorHeaders(error), code: error.code }
}

function codeOf({ code, data }: RpcError): string {
  const named = (data as { code?: unknown } | undefined)?.code
  return typeof named === 'string' ? named : `rpc_${-code}`
}

/** Answers with the bytes of one message or of several. `headers` is a flat list name, value, … */
export function sendJson(
  exchange: Exchange,
  status: number,
  { bytes, headers = [] }: { readonly bytes: Buffer; readonly headers?: readonly string[] },
): void {
  send(exchange, status, { type: 'application/json', body: bytes, headers })
}

/** Answers with plain text. */
export function sendText(
  exchange: Exchange,
  status: number,
  { text, headers = [] }: { readonly text: string; readonly headers?: readonly string[] },
): void {
  const body = Buffer.from(text)
  send(exchange, status, { type: 'text/plain; charset=utf-8', body, headers })
}

/** Answers without a body. */
export function sendEmpty(exchange: Exchange, status: 202 | 204): void {
  const { res, id, req } = exchange
  if (res.headersSent || res.destroyed) return
  const length = status === 204 ? [] : ['content-length', '0']
  res.writeHead(status, [...length, ...answerHeaders('data', id, req.socket)])
  res.end()
}

/** Refuses a request with a JSON-RPC error; destroys the response where its head is out already. */
export function refuseRpc(exchange: Exchange, failure: unknown, id: IdText | null = null): void {
  const { status, error, headers, code } = toErrorAnswer(failure, exchange.id)
  exchange.note.error = code
  sendJson(exchange, status, { bytes: makeError(id, error).bytes, headers })
}

function send(
  { req, res, id }: Exchange,
  status: number,
  answer: { readonly type: string; readonly body: Buffer; readonly headers: readonly string[] },
): void {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return
  }
  const { type, body, headers } = answer
  const own = ['content-type', type, 'content-length', String(body.length)]
  // What is left of a request that was answered before its end would be taken for the next one.
  if (!req.complete) own.push('connection', 'close')
  res.writeHead(status, [...own, ...answerHeaders('data', id, req.socket), ...headers])
  res.end(body)
}

/** Refuses a WebSocket handshake with a JSON-RPC error and closes the connection. */
export function refuseUpgrade(request: UpgradeRequest, failure: unknown): void {
  const { socket, id, note } = request
  const { status, error, headers, code } = toErrorAnswer(failure, id)
  note.error = code
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = makeError(null, error).bytes.toString()
  const head = formatResponseHead(status, [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    ...answerHeaders('data', id, socket),
    ...headers,
    'connection',
    'close',
  ])
  socket.end(head + body, () => socket.destroy())
}
