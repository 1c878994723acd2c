import type { Exchange } from '../../../net/exchange.ts'
import type { AnswerObserver } from './answer-observer.ts'
import type { CallOutcome, CallSubject } from './call-outcome.ts'
import type { ObjectRoutes } from '../routing/object-routes.ts'
import type { PromptLog } from '../prompts/prompt-log.ts'
import type { CachedResponse, ResponseCache, ResponseRecorder } from './response-cache.ts'

/** Keeps copies of answers for those who asked for it: to be given again, or to be read later. */
export interface AnswerCopies {
  /** A copy of the answer to exactly this call, where one may be used. */
  find(subject: CallSubject, exchange: Exchange): CachedResponse | undefined
  /** Follows the answer of a call that is made; undefined where nobody wants a copy. */
  observe(subject: CallSubject, exchange: Exchange): AnswerObserver | undefined
}

/** The request header with which a client asks for the cache, whatever its key says: `on` or `off`. */
const cacheHeader = 'x-gateway-cache'

/** Creates the keeper of copies over the cache and the prompt log. */
export function createAnswerCopies(deps: {
  readonly cache: ResponseCache
  readonly promptLog: PromptLog
  readonly holders: Pick<ObjectRoutes, 'remember'>
}): AnswerCopies {
  const { cache, promptLog, holders } = deps
  return {
    find(subject, exchange) {
      const key = cacheKeyOf(cache, subject, exchange)
      return key === undefined ? undefined : cache.get(key)
    },
    observe(subject, exchange) {
      const key = cacheKeyOf(cache, subject, exchange)
      const observers: AnswerObserver[] = []
      if (key !== undefined) observers.push(recordingObserver(cache.recorder(key)))
      if (makesObjects(subject)) observers.push(objectObserver(holders, subject))
      if (subject.caller.logPrompts) observers.push(promptObserver(promptLog, subject))
      return observers.length < 2 ? observers[0] : both(observers)
    },
  }
}

/** The answer that is given to a call which was answered from the cache. */
export function cachedOutcome(
  response: CachedResponse,
  exchange: Exchange,
): Omit<CallOutcome, 'target'> & { readonly target: undefined } {
  return {
    status: response.status,
    target: undefined,
    attempts: 0,
    usage: undefined,
    chunks: 0,
    bytes: 0,
    isEventStream: false,
    abortedBy: null,
    error: undefined,
    isComplete: true,
    firstByteMs: null,
    latencyMs: performance.now() - exchange.startedAt,
  }
}

function cacheKeyOf(
  cache: ResponseCache,
  { caller, plan }: CallSubject,
  exchange: Exchange,
): string | undefined {
  const asked = exchange.req.headers[cacheHeader]
  const isWanted = asked === 'on' || (caller.cacheResponses && asked !== 'off')
  if (!isWanted || plan.original === undefined || plan.asked === null) return undefined
  return cache.key({
    workspaceId: caller.workspaceId,
    keyId: caller.keyId,
    method: plan.method,
    route: plan.rest + plan.search,
    headers: exchange.req.rawHeaders,
    body: plan.original,
  })
}

function recordingObserver(recorder: ResponseRecorder): AnswerObserver {
  return {
    headers: ['x-cache', 'MISS'],
    begun: (status, headers) => recorder.start(status, headers),
    chunk: (bytes) => recorder.chunk(bytes),
    ended: (isComplete) => (isComplete ? recorder.end() : recorder.discard()),
  }
}

function promptObserver(
  promptLog: PromptLog,
  { caller, plan, requestId }: CallSubject,
): AnswerObserver {
  const chunks: Buffer[] = []
  let size = 0
  return {
    headers: [],
    begun() {},
    chunk(bytes) {
      if (size < promptLog.sideBytesMax) chunks.push(bytes)
      size += bytes.length
    },
    ended() {
      promptLog.record({
        workspaceId: caller.workspaceId,
        keyId: caller.keyId,
        requestId,
        model: plan.asked ?? '',
        request: plan.original ?? Buffer.alloc(0),
        response: Buffer.concat(chunks),
      })
    },
  }
}

/** Routes whose answer is an object that later requests name: it has to be asked for where it was made. */
const objectSurfaces: ReadonlySet<string> = new Set(['responses', 'files', 'batches', 'uploads'])

/** The object's own id is the first one in the answer, whole or streamed. */
const objectId = /"id"\s*:\s*"([^"\\]{1,256})"/
const headBytesMax = 8 * 1024

function makesObjects({ plan }: CallSubject): boolean {
  return plan.method === 'POST' && objectSurfaces.has(plan.surface.name)
}

function objectObserver(
  holders: Pick<ObjectRoutes, 'remember'>,
  subject: CallSubject,
): AnswerObserver {
  const { workspaceId } = subject.caller
  let head = ''
  return {
    headers: [],
    begun() {},
    chunk(bytes) {
      if (head.length < headBytesMax) head += bytes.toString('latin1', 0, headBytesMax)
    },
    ended(_isComplete, target) {
      const id = objectId.exec(head)?.[1]
      if (id !== undefined && target !== undefined)
        holders.remember(workspaceId, id, target.provider.id)
    },
  }
}

function both(observers: readonly AnswerObserver[]): AnswerObserver {
  return {
    headers: observers.flatMap((observer) => observer.headers),
    begun: (status, headers) => observers.forEach((observer) => observer.begun(status, headers)),
    chunk: (bytes) => observers.forEach((observer) => observer.chunk(bytes)),
    ended: (isComplete, target) =>
      observers.forEach((observer) => observer.ended(isComplete, target)),
  }
}
