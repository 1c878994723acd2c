import { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { Endpoint } from '../relay/relay.ts'
import { assumedVersion } from '../wire/protocol-versions.ts'
import type { RpcMessage, RpcRequest } from '../wire/rpc-message.ts'
import { readAccept } from './accept.ts'
import { runBatch, type Readable } from './batch-call.ts'
import type { FrontParts } from './front-parts.ts'
import { requireCallRoom } from './call-room.ts'
import { readIntroduction } from './introduction.ts'
import { requireBoth, type Post } from './post-head.ts'
import { invalidRequest, sendEmpty, sendJson } from './rpc-answer.ts'
import { headerText } from './modern-headers.ts'
import { SessionCall } from './session-call.ts'
import type { Session } from './session.ts'

/** A POST that names a session. */
export interface SessionPost extends Post {
  readonly sessionText: string
}

/** Begins a session. Throws `RpcRefusal`. */
export function serveInitialize(front: FrontParts, post: Post, initialize: RpcRequest): void {
  const { exchange, caller, endpoint, acceptance, sessionText } = post
  if (sessionText !== undefined)
    throw invalidRequest('initialize begins a session, and is sent without one.')
  if (!acceptance.json) throw invalidRequest('Accept must list application/json.', 406)
  const session = front.sessions.begin(endpoint, caller, readIntroduction(initialize))
  const handshake = {
    headers: ['mcp-session-id', session.text],
    fail: () => front.sessions.end(session),
  }
  const mayStream = acceptance.events
  new SessionCall(session, exchange, { request: initialize, mayStream, handshake }).start()
}

/** Serves a message of a session. Throws `RpcRefusal`. */
export function serveSession(front: FrontParts, post: SessionPost, message: RpcMessage): void {
  const { exchange, caller, endpoint, acceptance, sessionText } = post
  requireBoth(acceptance)
  const session = front.sessions.find(sessionText, caller, endpoint)
  if (message.kind === 'request') {
    requireCallRoom(session.calls)
    return new SessionCall(session, exchange, { request: message, mayStream: true }).start()
  }
  if (message.kind === 'notification') session.relay.notify(message)
  else session.answer(message)
  sendEmpty(exchange, 202)
}

/** Serves an array of messages of a session of 2025-03-26, the one revision that has them. Throws `RpcRefusal`. */
export function serveSessionBatch(
  front: FrontParts,
  post: SessionPost,
  elements: readonly Readable[],
): void {
  const { exchange, caller, endpoint, acceptance, sessionText, version } = post
  requireBoth(acceptance)
  const session = front.sessions.find(sessionText, caller, endpoint)
  if ((version ?? session.protocolVersion) !== assumedVersion) {
    throw invalidRequest(`Revision ${session.protocolVersion} has no batches.`)
  }
  if (elements.some((one) => one.kind === 'request' && one.method === 'initialize')) {
    throw invalidRequest('initialize cannot be part of a batch.')
  }
  requireCallRoom(session.calls)
  const work = { abandon: () => exchange.res.destroy() }
  session.begin(work)
  const parts = {
    relay: session.relay,
    requestId: exchange.id,
    answer: session.answer.bind(session),
    listener: session,
  }
  runBatch(elements, parts, (answers) => {
    session.finish(work)
    if (answers === undefined) sendEmpty(exchange, 202)
    else if (!exchange.res.destroyed) sendJson(exchange, 200, { bytes: answers })
  })
}

/** Serves a GET or DELETE of a session. Throws `RpcRefusal`. */
export function serveSessionVerb(
  front: FrontParts,
  exchange: Exchange,
  { caller, endpoint }: { readonly caller: Caller; readonly endpoint: Endpoint },
): void {
  const { method, headers } = exchange.req
  const sessionText = headerText(headers['mcp-session-id'])
  const isSessionVerb = method === 'GET' || method === 'DELETE'
  if (sessionText === undefined || !isSessionVerb) {
    // Without a session these methods exist in no revision; to one that has none, the answer says so.
    const allow = sessionText === undefined ? 'POST' : 'GET, POST, DELETE'
    throw new AppError('method_not_allowed', 'Send messages with POST.', { headers: { allow } })
  }
  const session = front.sessions.find(sessionText, caller, endpoint)
  if (method === 'DELETE') {
    front.sessions.end(session)
    return sendEmpty(exchange, 204)
  }
  openSessionStream(front, exchange, session)
}

function openSessionStream(front: FrontParts, exchange: Exchange, session: Session): void {
  const { headers } = exchange.req
  if (!readAccept(headers.accept ?? '').events) {
    throw invalidRequest('Accept must list text/event-stream.', 406)
  }
  if (front.isStopping()) throw new AppError('overloaded', 'Portico is shutting down.')
  session.openStream(exchange, headerText(headers['last-event-id']))
}
