import { LRUCache } from 'lru-cache'
import type { Service } from '../service.ts'
import { objectAt, parseJson } from '../wire/json.ts'
import { memberBytes, nestedBytes } from '../wire/json-member.ts'
import {
  makeRawResult,
  paramsOf,
  type IdText,
  type RpcRequest,
  type RpcResponse,
} from '../wire/rpc-message.ts'

/** Results that may be served again, of services that say so. Each belongs to one key: what it may see is not known here. */
export interface ResultCache {
  /** The earlier result, under the id of this request. */
  find(key: string, id: IdText): RpcResponse | undefined
  /** Keeps a result; errors, and what is no complete result, are not kept. */
  keep(key: string, response: RpcResponse, ttlMs: number): void
  /** Forgets everything of a service. */
  clear(serviceId: string): void
}

const bytesMax = 16 * 1024 * 1024
const entryBytesMax = 1024 * 1024

/** Creates an empty cache of at most 16 MiB. */
export function createResultCache(): ResultCache {
  const cache = new LRUCache<string, string>({
    maxSize: bytesMax,
    maxEntrySize: entryBytesMax,
    sizeCalculation: (text, key) => text.length + key.length + 1,
  })
  return {
    find(key, id) {
      const result = cache.get(key)
      return result === undefined ? undefined : makeRawResult(id, result)
    },
    keep(key, response, ttlMs) {
      const result = response.isError ? undefined : memberBytes(response.bytes, 'result')
      if (result === undefined || isUnfit(result)) return
      cache.set(key, result.toString(), { ttl: ttlMs })
    },
    clear(serviceId) {
      for (const key of cache.keys()) if (key.startsWith(`${serviceId} `)) cache.delete(key)
    },
  }
}

/** The key of a call, unless its result may not be served again: only tools that change nothing and say so may. */
export function cacheKey(
  { id, settings }: Service,
  keyId: string,
  call: {
    readonly toolJson: string | undefined
    /** As clients call the tool. */
    readonly name: string | undefined
    readonly request: RpcRequest
    readonly era: string
  },
): string | undefined {
  if (settings.cacheTtlMs === 0 || call.toolJson === undefined) return undefined
  // What a session has of its own may be in any answer.
  if (settings.isolation === 'per-session' || settings.isolation === 'per-call') return undefined
  const { readOnlyHint, idempotentHint } = objectAt(parseJson(call.toolJson), 'annotations')
  if (readOnlyHint !== true || idempotentHint === false) return undefined
  // What the user was asked is in the result, and the call that asked has to be gone on with.
  const { inputResponses, requestState } = paramsOf(call.request)
  if (inputResponses !== undefined || requestState !== undefined) return undefined
  // As they were written: parsed, integers that no number holds would be equal.
  const args = nestedBytes(call.request.bytes, 'params', 'arguments')?.toString() ?? ''
  return `${id} ${keyId} ${call.era} ${JSON.stringify(call.name)} ${args}`
}

function isUnfit(result: Buffer): boolean {
  const isError = memberBytes(result, 'isError')?.toString()
  const type = memberBytes(result, 'resultType')?.toString()
  return isError === 'true' || (type !== undefined && type !== '"complete"')
}
