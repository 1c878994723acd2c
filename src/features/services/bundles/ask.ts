import { AppError } from '../../../lib/errors.ts'
import type { ClientProfile, Relay } from '../relay/relay.ts'
import type { JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { errorOf, makeError, makeRequest, type RpcResponse } from '../wire/rpc-message.ts'

/** A question of ours to a relay. */
export interface Question {
  readonly method: string
  readonly params: JsonObject
  /** Of the client's request that makes us ask. */
  readonly requestId: string
  /** Gives the question up. */
  readonly signal: AbortSignal
}

let asked = 0

/**
 * Asks a relay something by ourselves and resolves with its result. Rejects with the error it answers (RpcError), with
 * what kept it from answering (AppError), or as `upstream_timeout` when the signal fires. Whatever it wants to know
 * meanwhile is declined: nobody is there whom it could ask.
 */
export function ask(relay: Relay, { method, params, ...way }: Question): Promise<RpcResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<RpcResponse>()
  const { signal, requestId } = way
  if (signal.aborted) return Promise.reject(tooLate())
  const request = makeRequest(nextId(), method, params)
  const running = relay.request(
    { request, requestId },
    {
      onNotification: () => {},
      onRequest: ({ id }, respond) => respond(makeError(id, declined())),
      onResponse(response) {
        const error = errorOf(response)
        if (error === undefined) resolve(response)
        else reject(error)
      },
      onFailure: reject,
    },
  )
  const giveUp = (): void => {
    running.cancel('The answer did not come in time.')
    reject(tooLate())
  }
  signal.addEventListener('abort', giveUp, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', giveUp))
}

/** An id for a request of ours, unlike what clients choose. */
export function nextId(): string {
  asked += 1
  return `"portico:${asked}"`
}

/** The `_meta` of a request of ours for a client: `own`, what that sent itself, and the envelope where its era has one. */
export function metaFor(profile: ClientProfile, own: JsonObject = {}): JsonObject {
  const { progressToken: _, ...kept } = own
  if (profile.era === 'legacy') return kept
  return {
    ...kept,
    [metaKeys.protocolVersion]: profile.protocolVersion,
    [metaKeys.clientCapabilities]: profile.capabilities,
    [metaKeys.clientInfo]: profile.clientInfo,
  }
}

function tooLate(): AppError {
  return new AppError('upstream_timeout', 'The service did not answer in time.')
}

function declined(): RpcError {
  return new RpcError(rpcCodes.methodNotFound, 'Nobody can be asked now.')
}
