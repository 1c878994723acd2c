import { createHash } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { isJsonObject, parseJson } from '../wire/json.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { paramsOf, type RpcRequest } from '../wire/rpc-message.ts'
import type { ParkedCall } from './parked-call.ts'

/** Whose a call is and which: what has to be the same when its client comes back with answers. */
interface CallIdentity {
  readonly keyId: string
  readonly serviceId: string
  readonly request: RpcRequest
}

/** Calls of modern clients at legacy servers that wait for what their clients were asked. */
export interface ParkedCalls extends AsyncDisposable {
  /** Keeps a call for a while, and returns the `requestState` that finds it again. Throws `rate_limit_exceeded` when its key has too many. */
  park(call: ParkedCall, identity: CallIdentity): string
  /** A state for a call that is simply made again. */
  seal(identity: CallIdentity): string
  /**
   * The call that `state` belongs to, which is not parked any more; undefined where it is to be made again.
   * Throws RpcError (invalid params) for a state that was altered, is used up, has expired or belongs to another call.
   */
  resume(state: unknown, identity: CallIdentity): ParkedCall | undefined
  readonly size: number
}

interface Entry {
  readonly call: ParkedCall
  readonly keyId: string
  readonly timer: NodeJS.Timeout
}

const context = 'services/request-state'

/** What is needed to keep calls. */
export interface ParkedCallsDependencies {
  readonly secretBox: SecretBox
  readonly clock: Clock
  readonly config: () => { readonly parkedMs: number; readonly parkedPerKeyMax: number }
}

/** Creates an empty parking place. Disposing of it gives up all calls. */
export function createParkedCalls(deps: ParkedCallsDependencies): ParkedCalls {
  const { secretBox, clock, config } = deps
  const entries = new Map<string, Entry>()

  function sealState(id: string, identity: CallIdentity): string {
    const expiresAt = clock.now() + config().parkedMs
    const { keyId, serviceId } = identity
    const mark = fingerprint(identity.request)
    return secretBox.seal(JSON.stringify([id, keyId, serviceId, mark, expiresAt]), context)
  }

  function take(id: string): ParkedCall {
    const entry = entries.get(id)
    if (entry === undefined) throw invalidState()
    entries.delete(id)
    clearTimeout(entry.timer)
    return entry.call
  }

  return {
    park(call, identity) {
      const own = [...entries.values()].filter(({ keyId }) => keyId === identity.keyId)
      if (own.length >= config().parkedPerKeyMax) {
        throw new AppError('rate_limit_exceeded', 'Too many calls of this key wait for answers.')
      }
      const id = newId('parked')
      const timer = setTimeout(() => {
        entries.delete(id)
        call.cancel('The client did not answer in time.')
      }, config().parkedMs).unref()
      entries.set(id, { call, keyId: identity.keyId, timer })
      return sealState(id, identity)
    },
    seal: (identity) => sealState('', identity),
    resume(state, identity) {
      const [id, keyId, serviceId, mark, expiresAt] = openState(secretBox, state)
      const isSame =
        keyId === identity.keyId &&
        serviceId === identity.serviceId &&
        mark === fingerprint(identity.request)
      if (!isSame || typeof expiresAt !== 'number' || expiresAt < clock.now()) throw invalidState()
      return id === '' ? undefined : take(String(id))
    },
    get size() {
      return entries.size
    },
    async [Symbol.asyncDispose]() {
      for (const { call, timer } of entries.values()) {
        clearTimeout(timer)
        call.cancel('Portico is shutting down.')
      }
      entries.clear()
    },
  }
}

function openState(secretBox: SecretBox, state: unknown): readonly unknown[] {
  if (typeof state !== 'string') throw invalidState()
  const text = openText(secretBox, state)
  const parts = text === undefined ? undefined : parseJson(text)
  if (!Array.isArray(parts)) throw invalidState()
  return parts
}

function openText(secretBox: SecretBox, state: string): string | undefined {
  try {
    return secretBox.open(state, context)
  } catch {
    return undefined
  }
}

/** A digest of method and parameters, without what differs from round to round. */
function fingerprint(request: RpcRequest): string {
  const params = Object.entries(paramsOf(request)).filter(([name]) => !roundMembers.has(name))
  return createHash('sha256')
    .update(JSON.stringify([request.method, sorted(Object.fromEntries(params))]))
    .digest('base64url')
}

const roundMembers: ReadonlySet<string> = new Set(['_meta', 'inputResponses', 'requestState'])

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isJsonObject(value)) return value
  return Object.entries(value)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)])
}

function invalidState(): RpcError {
  return new RpcError(rpcCodes.invalidParams, 'The requestState is not valid, or has expired.')
}
