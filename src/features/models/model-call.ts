import type { Config } from '../../config/schema.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { Exchange } from '../../net/exchange.ts'
import type { OutboundExchange, OutboundFailure, ResponseSink } from '../../net/outbound.ts'
import { shapeOf } from './answer-shape.ts'
import type { AnswerShape } from './answer-shape.ts'
import { errorBody, streamErrorEvent } from './api-errors.ts'
import type { CallOutcome } from './call-outcome.ts'
import { ClientResponse } from './client-response.ts'
import { inspectFirstEvent } from './first-event.ts'
import type { RequestPlan } from './request-plan.ts'
import type { Target } from './resolve.ts'
import { isEventStream, toClientHeaders } from './response-headers.ts'
import type { Attempt, TargetWalk } from './target-walk.ts'
import { UsageTap } from './usage-tap.ts'

/** An answer that has to be rewritten as a whole is held in memory, up to here. */
const rewrittenBytesMax = 32 * 1024 * 1024

/** What all calls share. */
export interface CallDependencies {
  readonly config: Live<Config['models']>
  /** Counts a failed attempt: a kind of `OutboundFailure`, or a status. */
  readonly upstreamFailed: (provider: string, kind: string) => void
}

/** Follows the bytes of an answer that goes to the client, to keep a copy. */
export interface AnswerObserver {
  /** Said to the client beside the answer's own headers, as a flat list. */
  readonly headers: readonly string[]
  begun(status: number, headers: readonly string[]): void
  chunk(bytes: Buffer): void
  /** The answer is complete, or was broken off; `target` is who gave it. */
  ended(isComplete: boolean, target: Target | undefined): void
}

/** One call with everything decided before its first attempt. */
export interface CallRequest {
  readonly exchange: Exchange
  readonly plan: RequestPlan
  /** Hands out one attempt after the other, and remembers how each target did. */
  readonly walk: TargetWalk
  readonly observer: AnswerObserver | undefined
  /** Hears once how the call ended. */
  readonly onEnd: (outcome: CallOutcome) => void
}

/**
 * One call of a model: tries targets until one answers, passes its answer on, and ends both sides together.
 * A class, because one is made per request on the hot path, and because its state is what it is about.
 */
export class ModelCall implements ResponseSink {
  readonly #dependencies: CallDependencies
  readonly #request: CallRequest
  readonly #response: ClientResponse
  readonly #onClose = () => this.#clientLeft()
  readonly #resume = () => this.#upstream?.resume()
  #upstream: OutboundExchange | undefined
  #attempt: Attempt | undefined
  #attempts = 0
  #shape: AnswerShape | undefined
  /** A body that can only be rewritten as a whole, with the head it will get. */
  #collected: { readonly headers: string[]; readonly chunks: Buffer[]; size: number } | undefined
  #tap: UsageTap | undefined
  /** The beginning of a stream, held back until it shows that the upstream really answers. */
  #held: Buffer | undefined
  #status = 0
  #firstByteAt: number | undefined
  #isOver = false

  constructor(dependencies: CallDependencies, request: CallRequest) {
    this.#dependencies = dependencies
    this.#request = request
    this.#response = new ClientResponse(request.exchange.res)
  }

  /** Begins the first attempt. From here on the call ends by itself, whatever happens. */
  start(): void {
    this.#request.exchange.res.once('close', this.#onClose)
    this.#tryNext(undefined)
  }

  /** Called about once a second: keeps silent streams alive, ends answers that take too long. */
  tick(now: number): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    const { keepAliveCommentMs } = this.#dependencies.config()
    const { provider } = attempt.target
    if (keepAliveCommentMs > 0 && provider.options.keepAliveComments && this.#tap !== undefined) {
      this.#response.keepAlive(now, keepAliveCommentMs)
    }
    const { startedAt } = this.#request.exchange
    if (!this.#request.plan.isStream && now - startedAt > provider.timeouts.totalMs) {
      this.#upstream?.abort()
      this.onFailure({ phase: 'body', kind: 'timeout', cause: new Error('total time exceeded') })
    }
  }

  /** Breaks the call off because the process ends. */
  stop(): void {
    this.#upstream?.abort()
    this.#fail(new AppError('overloaded', 'Portico is shutting down.'))
  }

  onStart(status: number, headers: string[]): void {
    const attempt = this.#attempt as Attempt
    const isFailure = this.#request.walk.answered(attempt, status, headers)
    if (isFailure) this.#dependencies.upstreamFailed(attempt.target.provider.name, String(status))
    if (isFailure && this.#mayTryAgain()) {
      const next = this.#request.walk.next()
      if (next !== undefined && !(next instanceof AppError)) {
        this.#upstream?.abort()
        this.#send(next)
        return
      }
    }
    this.#begin(attempt, status, headers)
  }

  onChunk(chunk: Buffer): boolean {
    this.#firstByteAt ??= performance.now()
    if (this.#held !== undefined) return this.#hold(chunk)
    this.#tap?.push(chunk)
    if (this.#collected !== undefined) return this.#collect(this.#collected, chunk)
    const transform = this.#shape?.transform
    const isFlowing = this.#write(transform === undefined ? chunk : transform.push(chunk))
    if (this.#shape?.hasFailed?.() === true) this.#endBadly()
    return isFlowing
  }

  onEnd(): void {
    if (this.#held !== undefined) {
      // Nothing but comments came: the upstream has not answered.
      this.onFailure({ phase: 'body', kind: 'broken', cause: new Error('the stream was empty') })
      return
    }
    if (this.#collected !== undefined) return this.#answerCollected(this.#collected)
    const transform = this.#shape?.transform
    if (transform !== undefined) this.#write(transform.end())
    if (this.#shape?.hasFailed?.() === true) return this.#endBadly()
    this.#finish({ abortedBy: null, error: undefined, isComplete: true })
    this.#response.end()
  }

  onFailure(failure: OutboundFailure): void {
    const attempt = this.#attempt as Attempt
    if (failure.kind === 'request') {
      this.#request.walk.abandoned(attempt)
      this.#fail(
        failure.cause instanceof AppError ? failure.cause : toError(failure, attempt.target),
      )
      return
    }
    this.#request.walk.broke(attempt)
    this.#dependencies.upstreamFailed(attempt.target.provider.name, failure.kind)
    const error = toError(failure, attempt.target)
    if (this.#mayTryAgain()) this.#tryNext(error)
    else this.#fail(error)
  }

  /** Another target may be tried as long as the client has not seen anything of this one's answer. */
  #mayTryAgain(): boolean {
    const isUntouched = !this.#response.hasBegun || this.#held !== undefined
    const { attemptsMax } = this.#dependencies.config()
    return isUntouched && this.#request.plan.isReplayable && this.#attempts < attemptsMax
  }

  #tryNext(last: AppError | undefined): void {
    const next = this.#request.walk.next()
    if (next === undefined)
      this.#fail(last ?? new AppError('upstream_failed', 'No provider answered.'))
    else if (next instanceof AppError) this.#fail(last ?? next)
    else this.#send(next)
  }

  #send(attempt: Attempt): void {
    this.#attempt = attempt
    this.#attempts += 1
    this.#held = undefined
    this.#collected = undefined
    const { note } = this.#request.exchange
    note.provider = attempt.target.provider.name
    this.#upstream = attempt.upstream.send(attempt.outbound, this)
  }

  #begin(attempt: Attempt, status: number, headers: string[]): void {
    this.#status = status
    const isStream = isEventStream(headers)
    const { plan, exchange, observer } = this.#request
    const shape = shapeOf(attempt, { plan, status, headers, requestId: exchange.id })
    this.#shape = shape
    this.#tap = shape.isReadable ? new UsageTap() : undefined
    const isAnswering = isStream && status === 200
    // A stream may still turn out to be an error: its head goes out now, its beginning when it has shown itself.
    if (isAnswering && shape.isReadable) this.#held = Buffer.alloc(0)
    if (this.#response.hasBegun) {
      if (isAnswering) return
      this.#upstream?.abort()
      this.#fail(new AppError('upstream_failed', `The provider answered with status ${status}.`))
      return
    }
    const out = toClientHeaders(headers, {
      requestId: exchange.id,
      resolvedModel: plan.asked === null ? null : attempt.target.model,
      isEventStream: isStream,
      family: plan.surface.family,
      replacedType: shape.replacedType,
    })
    if (observer !== undefined) out.push(...observer.headers)
    if (shape.rewrite !== undefined) {
      this.#collected = { headers: out, chunks: [], size: 0 }
      return
    }
    this.#response.begin(status, out, { isEventStream: isStream })
    observer?.begun(status, out)
  }

  #collect(collected: { chunks: Buffer[]; size: number }, chunk: Buffer): boolean {
    collected.chunks.push(chunk)
    collected.size += chunk.length
    if (collected.size > rewrittenBytesMax) {
      this.#upstream?.abort()
      this.#fail(new AppError('upstream_failed', 'The answer is too long to be translated.'))
    }
    return true
  }

  #answerCollected({ headers, chunks }: { headers: string[]; chunks: Buffer[] }): void {
    const body = this.#shape?.rewrite?.(Buffer.concat(chunks))
    if (body === undefined || body instanceof AppError) {
      this.#fail(body ?? new AppError('internal_error', 'There is nothing to rewrite.'))
      return
    }
    this.#request.observer?.begun(this.#status, headers)
    this.#request.observer?.chunk(body)
    this.#finish({ abortedBy: null, error: undefined, isComplete: true })
    this.#response.answer(this.#status, headers, body)
  }

  /** Waits for the first event with data, then passes on what was held, or tries another target. */
  #hold(chunk: Buffer): boolean {
    const held = Buffer.concat([this.#held as Buffer, chunk])
    this.#held = held
    const verdict = inspectFirstEvent(held)
    if (verdict === 'incomplete') return true
    if (verdict === 'error') {
      const attempt = this.#attempt as Attempt
      this.#dependencies.upstreamFailed(attempt.target.provider.name, 'in_band')
      this.#request.walk.broke(attempt)
      const next = this.#mayTryAgain() ? this.#request.walk.next() : undefined
      if (next !== undefined && !(next instanceof AppError)) {
        this.#upstream?.abort()
        this.#send(next)
        return true
      }
    }
    this.#held = undefined
    return this.onChunk(held)
  }

  #write(bytes: Buffer): boolean {
    this.#request.observer?.chunk(bytes)
    return this.#response.write(bytes, this.#resume)
  }

  #clientLeft(): void {
    if (this.#isOver) return
    this.#upstream?.abort()
    this.#finish({ abortedBy: 'client', error: undefined, isComplete: false })
  }

  #fail(error: AppError): void {
    const { exchange, plan } = this.#request
    exchange.note.error = error.code
    const abortedBy = error.code === 'upstream_timeout' ? 'timeout' : 'upstream'
    if (this.#response.hasBegun) {
      this.#finish({ abortedBy, error, isComplete: false })
      const isReadableStream = this.#response.isEventStream && this.#tap !== undefined
      const interrupted = new AppError('stream_interrupted', error.message, { cause: error })
      this.#response.breakOff(
        isReadableStream
          ? streamErrorEvent(plan.surface.dialect, interrupted, exchange.id)
          : undefined,
      )
      return
    }
    const final = this.#attempts > 1 ? withoutRetry(error) : error
    const answer = errorBody(plan.surface.family, final, exchange.id)
    this.#status = answer.status
    this.#finish({
      abortedBy: this.#attempts > 0 ? abortedBy : null,
      error: final,
      isComplete: false,
    })
    this.#response.answer(answer.status, answer.headers, answer.body)
  }

  /** The answer has told of its own failure already; what is left is not to let it look complete. */
  #endBadly(): void {
    this.#upstream?.abort()
    this.#finish({ abortedBy: 'upstream', error: undefined, isComplete: false })
    this.#response.breakOff(Buffer.alloc(0))
  }

  #finish(end: Pick<CallOutcome, 'abortedBy' | 'error' | 'isComplete'>): void {
    if (this.#isOver) return
    this.#isOver = true
    const { exchange, onEnd, observer } = this.#request
    exchange.res.off('close', this.#onClose)
    if (end.abortedBy !== null) exchange.note.abortedBy = end.abortedBy
    observer?.ended(end.isComplete, this.#attempt?.target)
    if (end.abortedBy === 'client' && this.#attempt) this.#request.walk.abandoned(this.#attempt)
    onEnd({
      ...end,
      status: this.#status,
      target: this.#attempt?.target,
      attempts: this.#attempts,
      usage: this.#tap?.read(),
      chunks: this.#tap?.chunks ?? 0,
      firstByteMs: this.#firstByteAt === undefined ? null : this.#firstByteAt - exchange.startedAt,
      latencyMs: performance.now() - exchange.startedAt,
    })
  }
}

function toError(failure: OutboundFailure, target: Target): AppError {
  const { name } = target.provider
  if (failure.kind === 'timeout') {
    return new AppError('upstream_timeout', `Provider "${name}" did not answer in time.`, failure)
  }
  if (failure.phase === 'connect') {
    return new AppError('upstream_unreachable', `Provider "${name}" could not be reached.`, failure)
  }
  return new AppError('upstream_failed', `Provider "${name}" broke the connection.`, failure)
}

/** We have retried already; three more attempts of the client behind each of ours would only multiply the load. */
function withoutRetry(error: AppError): AppError {
  const headers = { ...error.details.headers, 'x-should-retry': 'false' }
  return new AppError(error.code, error.message, { ...error.details, headers })
}
