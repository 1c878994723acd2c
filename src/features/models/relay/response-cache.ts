import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import { isWholeAnswer } from './whole-answer.ts'

/** A larger answer is not worth the smaller ones it would push out. */
const entryBytesMax = 1024 * 1024

/** What an entry costs beside its body: headers, key, bookkeeping. */
const entryOverheadBytes = 2048

/** Bounds of the cache. */
export interface ResponseCacheConfig {
  /** Memory for all entries together; 0 switches the cache off. */
  readonly bytesMax: number
  /** How long an answer is served again, ms. */
  readonly ttlMs: number
}

/** Everything that may make two answers differ. */
export interface CacheKeyParts {
  readonly workspaceId: string
  readonly keyId: string
  readonly method: string
  /** Path below the base and query. */
  readonly route: string
  /** Headers that go upstream, flat list name, value, …; those that matter are picked out. */
  readonly headers: readonly string[]
  readonly body: Uint8Array
}

/** An answer as it was sent. */
export interface CachedResponse {
  readonly status: number
  /** Flat list name, value, …; without those that belong to one exchange only. */
  readonly headers: readonly string[]
  /** The body as it passed; a stream is replayed chunk by chunk. */
  readonly chunks: readonly Buffer[]
}

/** Takes down one answer. What is not ended is forgotten. */
export interface ResponseRecorder {
  /** Begins an answer. May happen again, when another one takes its place before any of it was sent. */
  start(status: number, headers: readonly string[]): void
  chunk(bytes: Buffer): void
  /** The answer is complete; from now on it can be found. */
  end(): void
  discard(): void
}

/** Answers that were given before, by what exactly was asked and by whom. */
export interface ResponseCache {
  /** A hash of all parts, so that no key ever sees what another one asked for. */
  key(parts: CacheKeyParts): string
  get(key: string): CachedResponse | undefined
  recorder(key: string): ResponseRecorder
  /** Forgets everything, as after a change of aliases or providers. */
  clear(): void
  readonly sizeBytes: number
  readonly hits: number
  readonly misses: number
}

interface Entry {
  readonly response: CachedResponse
  readonly sizeBytes: number
  /** On the monotonic clock, ms. */
  readonly staleAt: number
}

/** Headers on which an answer may depend. */
const decisiveHeaders: ReadonlySet<string> = new Set([
  'accept',
  'anthropic-beta',
  'anthropic-version',
  'content-type',
  'openai-beta',
  'openai-organization',
  'openai-project',
  'x-gateway-provider',
])

/** Headers that tell of one exchange, not of the answer. */
const passingHeaders =
  /^(?:age|connection|content-length|date|keep-alive|request-id|retry-after.*|set-cookie|transfer-encoding|x-cache|x-gateway-(?:cache|request-id)|x-request-id|openai-processing-ms|(?:x|anthropic)-ratelimit-.*)$/i

/**
 * Creates an exact cache in memory. Whether to use it is the caller's decision, request by request.
 * Only complete answers of status 200 without an error in them are kept; the least recently used go first.
 */
export function createResponseCache(
  { clock }: { clock: Clock },
  config: Live<ResponseCacheConfig>,
): ResponseCache {
  let entries = createEntries(config().bytesMax)
  let hits = 0
  let misses = 0

  /** The entries under the present bound; a changed bound begins with none. */
  function current() {
    const { bytesMax } = config()
    if (entries?.maxSize !== bytesMax && (entries !== undefined || bytesMax > 0)) {
      entries = createEntries(bytesMax)
    }
    return entries
  }

  return {
    key: hashOf,
    get(key) {
      const entry = current()?.get(key)
      const isFresh = entry !== undefined && entry.staleAt > clock.elapsed()
      if (entry !== undefined && !isFresh) entries?.delete(key)
      if (isFresh) hits += 1
      else misses += 1
      return isFresh ? entry.response : undefined
    },
    recorder: (key) =>
      createRecorder((response, sizeBytes) => {
        const staleAt = clock.elapsed() + config().ttlMs
        current()?.set(key, { response, sizeBytes, staleAt })
      }),
    clear: () => entries?.clear(),
    get sizeBytes() {
      return entries?.calculatedSize ?? 0
    },
    get hits() {
      return hits
    },
    get misses() {
      return misses
    },
  }
}

function createEntries(bytesMax: number): LRUCache<string, Entry> | undefined {
  if (bytesMax <= 0) return undefined
  return new LRUCache({ maxSize: bytesMax, sizeCalculation: (entry) => entry.sizeBytes })
}

function hashOf({ workspaceId, keyId, method, route, headers, body }: CacheKeyParts): string {
  const decisive: [string, string][] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    if (decisiveHeaders.has(name)) decisive.push([name, headers[at + 1] as string])
  }
  // JSON keeps the parts apart: no text in one of them can pass for the beginning of the next.
  const head = JSON.stringify([workspaceId, keyId, method, route, decisive])
  return createHash('sha256').update(head).update('\n').update(body).digest('base64url')
}

function createRecorder(
  keep: (response: CachedResponse, sizeBytes: number) => void,
): ResponseRecorder {
  let head: Pick<CachedResponse, 'status' | 'headers'> | undefined
  let chunks: Buffer[] = []
  let sizeBytes = 0

  function discard(): void {
    head = undefined
    chunks = []
  }

  return {
    start(status, headers) {
      discard()
      sizeBytes = 0
      if (status === 200) head = { status, headers: lastingHeaders(headers) }
    },
    chunk(bytes) {
      if (head === undefined) return
      sizeBytes += bytes.length
      if (sizeBytes > entryBytesMax) discard()
      else chunks.push(bytes)
    },
    end() {
      if (head !== undefined && isWholeAnswer(head.headers, chunks)) {
        // The chunks may be views of larger buffers, which would stay alive with them.
        const owned = chunks.map((bytes) => Buffer.from(bytes))
        keep({ ...head, chunks: owned }, sizeBytes + entryOverheadBytes)
      }
      discard()
    },
    discard,
  }
}

function lastingHeaders(headers: readonly string[]): string[] {
  return headers.filter((_part, at) => !passingHeaders.test(headers[at - (at % 2)] as string))
}
