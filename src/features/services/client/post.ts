import { readBody } from '../../../net/request-body.ts'
import {
  assumedVersion,
  isLegacyVersion,
  isModernVersion,
  legacyVersions,
  modernVersions,
} from '../wire/protocol-versions.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { parseMessage, type RpcMessage } from '../wire/rpc-message.ts'
import { attempt } from './attempt.ts'
import { beginsArray } from './batch-bytes.ts'
import { readBatch } from './batch-call.ts'
import { claimsModern, mayHaveEnvelope, readParts, unsupportedVersion } from './envelope.ts'
import { refuseWith, type FrontParts } from './front-parts.ts'
import { noIntroduction } from './introduction.ts'
import { serveModern } from './modern-post.ts'
import { requireBoth, type Post } from './post-head.ts'
import { PlainCall, refuseNotRunning, servePlainBatch } from './plain-call.ts'
import { invalidRequest, RpcRefusal, sendEmpty } from './rpc-answer.ts'
import { serveInitialize, serveSession, serveSessionBatch } from './session-post.ts'

/** Serves a POST of whichever era. Rejects with what the client is to be told. */
export async function servePost(front: FrontParts, post: Post): Promise<void> {
  const { bodyBytesMax, bodyTimeoutMs } = front.config()
  const limits = { bytesMax: bodyBytesMax, stallMs: bodyTimeoutMs }
  const body = await readBody(post.exchange.req, limits)
  if (beginsArray(body)) return serveBatch(front, post, body)
  const message = parseMessage(body)
  const served = attempt(() => serveMessage(front, post, message))
  if (served.isOk) return
  if (message.kind !== 'request') throw served.error
  refuseWith(front, post.exchange, { failure: served.error, id: message.id })
}

function serveMessage(front: FrontParts, post: Post, message: RpcMessage): void {
  const { version, sessionText, acceptance } = post
  if (isModern(message, version)) return serveModern(front, post, message)
  if (version !== undefined && !isLegacyVersion(version)) throw foreignVersion(version)
  const isInitialize = message.kind === 'request' && message.method === 'initialize'
  if (isInitialize) return serveInitialize(front, post, message)
  if (sessionText !== undefined) return serveSession(front, { ...post, sessionText }, message)
  if (acceptance.events) {
    requireBoth(acceptance)
    throw invalidRequest('The header Mcp-Session-Id is missing. Begin with initialize.')
  }
  servePlain(front, post, message)
}

/** Whether a message claims to be modern, or came with the header of a modern revision. */
function isModern(message: RpcMessage, version: string | undefined): boolean {
  if (version !== undefined && isModernVersion(version)) return true
  if (message.kind === 'response' || !mayHaveEnvelope(message)) return false
  return claimsModern(message.method, readParts(message))
}

/** A version that nobody here knows, in a request that is not modern. */
function foreignVersion(requested: string): RpcRefusal {
  // Of a revision that we are too old for, the client may know how to step back.
  if (requested > (modernVersions.at(0) ?? '') && /^\d{4}-\d\d-\d\d$/.test(requested)) {
    return unsupportedVersion(requested)
  }
  const message = 'Unsupported protocol version in MCP-Protocol-Version.'
  const data = { supported: [...modernVersions, ...legacyVersions], requested }
  return new RpcRefusal(400, new RpcError(rpcCodes.invalidRequest, message, data))
}

function servePlain(front: FrontParts, post: Post, message: RpcMessage): void {
  const { exchange } = post
  if (!post.acceptance.json) throw invalidRequest('Accept must list application/json.', 406)
  if (message.kind === 'response') throw invalidRequest('There is nothing to respond to.')
  const name = nameInUrl(post)
  if (!canRun(front, post)) return refuseNotRunning(exchange, name)
  const relay = openPlain(post)
  const { active } = front
  if (message.kind === 'request') {
    return new PlainCall(message, { exchange, name, relay, active }).start()
  }
  relay.notify(message)
  active.close(relay)
  sendEmpty(exchange, 202)
}

/** The service as a plain client has named it: the first segment below `/mcp`. */
function nameInUrl({ exchange, endpoint }: Post): string {
  return exchange.path.split('/')[2] || endpoint.name
}

/** Whether a call may reach the service. One that was stopped or crashed too often is not started by a call. */
function canRun({ dependencies }: FrontParts, { endpoint }: Post): boolean {
  const state = dependencies.statusOf(endpoint)
  return state !== 'stopped' && state !== 'crashed'
}

function openPlain({ caller, endpoint }: Post) {
  return endpoint.open({ era: 'legacy', caller, sessionId: undefined, ...noIntroduction })
}

function serveBatch(front: FrontParts, post: Post, body: Buffer): void {
  const { exchange, sessionText, acceptance, version } = post
  if (version !== undefined && version !== assumedVersion) {
    throw invalidRequest(`Revision ${version} has no batches.`)
  }
  if (sessionText === undefined && acceptance.events) {
    throw invalidRequest('The header Mcp-Session-Id is missing. Begin with initialize.')
  }
  const elements = readBatch(body)
  if (sessionText !== undefined) {
    return serveSessionBatch(front, { ...post, sessionText }, elements)
  }
  const name = nameInUrl(post)
  if (!canRun(front, post)) return refuseNotRunning(exchange, name)
  const relay = openPlain(post)
  servePlainBatch(elements, { exchange, name, relay, active: front.active })
}
