import type { AppError } from '../../../lib/errors.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import {
  makeNotification,
  type IdText,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import type { CallSink } from './connection.ts'
import { isIdText, memberPath, memberText, replaceMembers, type Replacement } from './members.ts'

const idOfMessage = memberPath('id')
const tokenOfRequest = memberPath('params', '_meta', 'progressToken')
const tokenOfProgress = memberPath('params', 'progressToken')
const subscriptionOfNotification = memberPath('params', '_meta', metaKeys.subscriptionId)
const subscriptionOfResult = memberPath('result', '_meta', metaKeys.subscriptionId)

/** One call under way: what the server knows it by, and what its client does. */
export interface Call {
  /** A number that no other call of the connection has, also its progress token. */
  readonly ownId: IdText
  /** As the client sent it. */
  readonly request: RpcRequest
  /** As it goes to the server. */
  readonly sent: RpcRequest
  /** The client's, as JSON text; undefined where it asked for no progress. */
  readonly progressToken: IdText | undefined
  readonly sink: CallSink
  /** Called once it is over: answered, or failed or cancelled. */
  onOver?: (isAnswered: boolean) => void
}

/**
 * The calls of one connection that have no answer yet. Ids and progress tokens of requests are replaced by own ones, and
 * restored in what comes back, with the JSON text that the client wrote; so clients may share a connection whatever
 * ids they choose.
 */
export class Calls {
  readonly #running = new Map<IdText, Call>()
  #lastId = 0
  #subscriptions = 0

  get size(): number {
    return this.#running.size
  }

  /** Begins a call. Its `sent` is what to send. */
  open(request: RpcRequest, sink: CallSink): Call {
    this.#lastId += 1
    const ownId = String(this.#lastId)
    const progressToken = progressTokenOf(request)
    const changes: Replacement[] = [{ path: idOfMessage, json: ownId }]
    if (progressToken !== undefined) changes.push({ path: tokenOfRequest, json: ownId })
    const sent = { ...request, id: ownId, bytes: replaceMembers(request.bytes, changes) }
    const call: Call = { ownId, request, sent, progressToken, sink }
    this.#running.set(ownId, call)
    if (isSubscription(call)) this.#subscriptions += 1
    return call
  }

  isRunning(call: Call): boolean {
    return this.#running.get(call.ownId) === call
  }

  /** Ends a call of which nothing more is to be heard. False where it was over. */
  forget(call: Call): boolean {
    return this.#end(call, false)
  }

  fail(call: Call, error: AppError): void {
    if (this.forget(call)) call.sink.onFailure(error)
  }

  failAll(error: AppError): void {
    // Who hears of it may begin new calls.
    for (const call of Array.from(this.#running.values())) this.fail(call, error)
  }

  /** Delivers an answer to the call that it names. False where there is none: late, or nobody's. */
  answer(response: RpcResponse): boolean {
    const call = response.id === null ? undefined : this.#running.get(response.id)
    if (call === undefined) return false
    this.answerCall(call, response)
    return true
  }

  /** Delivers an answer to a call, whatever id it has. */
  answerCall(call: Call, response: RpcResponse): void {
    if (!this.#end(call, true)) return
    const { id } = call.request
    const changes: Replacement[] = [{ path: idOfMessage, json: id }]
    if (isSubscription(call) && memberText(response.bytes, subscriptionOfResult) !== undefined) {
      changes.push({ path: subscriptionOfResult, json: id })
    }
    call.sink.onResponse({ ...response, id, bytes: replaceMembers(response.bytes, changes) })
  }

  /** Delivers a notification to the call whose progress token or subscription it names. False where it names none that runs. */
  notify(notification: RpcNotification): boolean {
    if (notification.method === progressMethod) return this.#reportProgress(notification)
    if (this.#subscriptions === 0) return false
    const call = this.#named(notification, subscriptionOfNotification)
    if (call === undefined) return false
    deliver(call, notification, { path: subscriptionOfNotification, json: call.request.id })
    return true
  }

  #end(call: Call, isAnswered: boolean): boolean {
    if (!this.#running.delete(call.ownId)) return false
    if (isSubscription(call)) this.#subscriptions -= 1
    call.onOver?.(isAnswered)
    return true
  }

  #reportProgress(notification: RpcNotification): boolean {
    const call = this.#named(notification, tokenOfProgress)
    const json = call?.progressToken
    if (call === undefined || json === undefined) return false
    deliver(call, notification, { path: tokenOfProgress, json })
    return true
  }

  #named({ bytes }: RpcNotification, path: typeof tokenOfProgress): Call | undefined {
    const text = memberText(bytes, path)
    return text === undefined ? undefined : this.#running.get(text)
  }
}

function deliver(call: Call, notification: RpcNotification, change: Replacement): void {
  const bytes = replaceMembers(notification.bytes, [change])
  call.sink.onNotification({ ...notification, bytes })
}

/** What is only ever said of a call under way. Without one it is late, and nobody's. */
export const progressMethod = 'notifications/progress'

/** What tells a server that nobody waits for the answer any more; undefined for a call that must not be cancelled. */
export function makeCancellation(call: Call, reason?: string): RpcNotification | undefined {
  if (call.request.method === 'initialize') return undefined
  const why = reason === undefined ? {} : { reason }
  return makeNotification('notifications/cancelled', { requestId: Number(call.ownId), ...why })
}

function isSubscription({ request }: Call): boolean {
  return request.method === 'subscriptions/listen'
}

function progressTokenOf({ bytes }: RpcRequest): IdText | undefined {
  // Most requests have none; the name may be written with escapes, though nobody does.
  if (!bytes.includes('progressToken') && !bytes.includes('\\u00')) return undefined
  const text = memberText(bytes, tokenOfRequest)
  return text !== undefined && isIdText(text) ? text : undefined
}
