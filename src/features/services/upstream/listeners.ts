import {
  makeError,
  makeResult,
  withId,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import type { ConnectionListener, Respond } from './connection.ts'

/**
 * Those who hear what a server sends that belongs to no call. Notifications go to all of them; a request to the one
 * that has listened longest, because it can have only one answer.
 */
export class Listeners {
  readonly #all = new Set<ConnectionListener>()

  add(listener: ConnectionListener): () => void {
    // One object may be given twice, and each time ends by itself.
    const entry: ConnectionListener = {
      onNotification: (notification) => listener.onNotification(notification),
      onRequest: (request, respond) => listener.onRequest(request, respond),
    }
    this.#all.add(entry)
    return () => void this.#all.delete(entry)
  }

  notify(notification: RpcNotification): void {
    for (const listener of this.#all) listener.onNotification(notification)
  }

  /** Passes on a request; one that nobody hears is answered with an error. */
  ask(request: RpcRequest, respond: Respond): void {
    const [first] = this.#all
    if (first === undefined) respond(refusal(request))
    else first.onRequest(request, respond)
  }
}

/** The answer to a request of a server that nobody can answer. */
export function refusal({ id }: RpcRequest): RpcResponse {
  return makeError(id, new RpcError(rpcCodes.methodNotFound, 'Method not found'))
}

/** The answer to a `ping`, which every hop gives by itself. */
export function pong({ id }: RpcRequest): RpcResponse {
  return makeResult(id, {})
}

/** Makes what answers a request of a server: once, and under its id. */
export function respondOnce(request: RpcRequest, send: (answer: RpcResponse) => void): Respond {
  let isAnswered = false
  return (answer) => {
    if (isAnswered) return
    isAnswered = true
    send(withId(answer, request.id))
  }
}
