import type { RpcMessage } from '../wire/rpc-message.ts'
import {
  headerMismatch,
  readClaimedVersion,
  readEnvelope,
  readParts,
  unsupportedVersion,
} from './envelope.ts'
import type { FrontParts } from './front-parts.ts'
import { ModernCall } from './modern-call.ts'
import { checkHeaders, headerText, paramHeaders } from './modern-headers.ts'
import type { Post } from './post-head.ts'
import { invalidRequest, sendEmpty } from './rpc-answer.ts'
import { isModernVersion } from '../wire/protocol-versions.ts'
import { noIntroduction } from './introduction.ts'

/** Serves a message of revision 2026-07-28 or later. Throws `RpcRefusal`. */
export function serveModern(front: FrontParts, post: Post, message: RpcMessage): void {
  if (message.kind === 'response')
    throw invalidRequest('This revision has no responses of clients.')
  if (message.kind === 'notification') return serveNotification(front, post, message)
  const { exchange, caller, endpoint, acceptance, version } = post
  const parts = readParts(message)
  const introduction = readEnvelope(parts, version)
  checkHeaders(exchange.req, message, { parts, version: introduction.protocolVersion })
  const isListening = message.method === 'subscriptions/listen'
  if (isListening ? !acceptance.events : !acceptance.json && !acceptance.events) {
    throw invalidRequest('Accept must list application/json and text/event-stream.', 406)
  }
  const relay = endpoint.open({ era: 'modern', caller, sessionId: undefined, ...introduction })
  const params = paramHeaders(exchange.req)
  new ModernCall({
    exchange,
    caller,
    relay,
    call: {
      request: message,
      requestId: exchange.id,
      ...(params === undefined ? {} : { paramHeaders: params }),
    },
    acceptance,
    active: front.active,
    sweep: front.sweep,
    keepAliveMs: () => front.config().keepAliveMs,
  }).start()
}

type Notification = Extract<RpcMessage, { kind: 'notification' }>

/** A notification need not have an envelope; what it says of itself has to be true all the same. */
function serveNotification(
  { active }: FrontParts,
  { exchange, caller, endpoint, version }: Post,
  message: Notification,
): void {
  const protocolVersion = readClaimedVersion(readParts(message), version) ?? version ?? ''
  const method = headerText(exchange.req.headers['mcp-method'])
  if (method !== undefined && method !== message.method) {
    throw headerMismatch('Mcp-Method', method, message.method)
  }
  if (!isModernVersion(protocolVersion)) throw unsupportedVersion(protocolVersion)
  const { capabilities, clientInfo } = noIntroduction
  const profile = { protocolVersion, capabilities, clientInfo }
  const relay = endpoint.open({ era: 'modern', caller, sessionId: undefined, ...profile })
  relay.notify(message)
  active.close(relay)
  sendEmpty(exchange, 202)
}
