import type { ConnectionListener, Respond } from '../upstream/connection.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { makeError, type RpcNotification, type RpcRequest } from '../wire/rpc-message.ts'

/** The listener of a connection from its first moment: some servers ask for roots and announce tools right after the handshake. */
export interface EarlyListener extends ConnectionListener {
  /** Gives everything that was kept to `listener`, and from now on everything that comes. */
  handOver(listener: ConnectionListener): void
}

const keptMax = 100

/** Creates a listener that keeps what it hears until there is somebody to hear it. */
export function createEarlyListener(): EarlyListener {
  const kept: ((listener: ConnectionListener) => void)[] = []
  let target: ConnectionListener | undefined
  return {
    onNotification(notification: RpcNotification) {
      if (target !== undefined) target.onNotification(notification)
      else if (kept.length < keptMax) kept.push((listener) => listener.onNotification(notification))
    },
    onRequest(request: RpcRequest, respond: Respond) {
      if (target !== undefined) return target.onRequest(request, respond)
      if (kept.length < keptMax) {
        kept.push((listener) => listener.onRequest(request, respond))
        return
      }
      respond(makeError(request.id, new RpcError(rpcCodes.internalError, 'Too many requests.')))
    },
    handOver(listener) {
      target = listener
      for (const deliver of kept.splice(0)) deliver(listener)
    },
  }
}
