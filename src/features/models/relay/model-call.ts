import type { Config } from '../../../config/schema.ts'
import { AppError } from '../../../lib/errors.ts'
import type { Live } from '../../../lib/live.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { OutboundExchange, OutboundFailure, ResponseSink } from '../../../net/outbound.ts'
import type { AnswerObserver } from './answer-observer.ts'
import { shapeOf } from './answer-shape.ts'
import type { AnswerShape } from './answer-shape.ts'
import { errorBody, streamErrorEvent } from '../api-errors.ts'
import { culpritOf, discourageRetry, toCallError, withoutRetry } from './call-errors.ts'
import type { CallOutcome } from './call-outcome.ts'
import { ClientResponse } from './client-response.ts'
import { tapFor } from './encoded-usage-tap.ts'
import { inspectFirstEvent, inspectWholeStream } from './first-event.ts'
import type { FirstEvent } from './first-event.ts'
import type { RequestPlan } from '../request/request-plan.ts'
import { isEventStream, toClientHeaders } from './response-headers.ts'
import type { Attempt, TargetWalk } from '../routing/target-walk.ts'
import { noTap } from './usage-tap.ts'
import type { AnswerTap } from './usage-tap.ts'

/** An answer that is looked at as a whole is held in memory, up to here. */
const collectedBytesMax = 32 * 1024 * 1024

/** What all calls share. */
export interface CallDependencies {
  readonly config: Live<Config['models']>
  /** Counts a failed attempt: a kind of `OutboundFailure`, or a status. */
  readonly upstreamFailed: (provider: string, kind: string) => void
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
  /** How the attempt went has been reported. */
  #isConcluded = true
  #attempts = 0
  #shape: AnswerShape | undefined
  #tap: AnswerTap = noTap
  /** A body that is looked at as a whole, and the head it will get. */
  #collected: { readonly headers: string[]; readonly chunks: Buffer[]; size: number } | undefined
  /** The beginning of a stream, held back until it shows that the upstream really answers. */
  #held: Buffer | undefined
  /** The client has seen something of the answer, so no other upstream can give it any more. */
  #isCommitted = false
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
    // Ahead of whoever writes down how the exchange ended, and by whose doing.
    this.#request.exchange.res.prependOnceListener('close', this.#onClose)
    this.#tryNext(undefined)
  }

  /** Called about once a second: keeps silent streams alive, ends answers that take too long. */
  tick(now: number): void {
    const attempt = this.#attempt
    if (attempt === undefined || this.#isOver) return
    const { keepAliveCommentMs } = this.#dependencies.config()
    const { options, timeouts } = attempt.target.provider
    if (keepAliveCommentMs > 0 && options.keepAliveComments && !this.#shape?.encoding) {
      this.#response.keepAlive(now, keepAliveCommentMs)
    }
    const { exchange, plan } = this.#request
    if (plan.isStream || this.#response.isEventStream) return
    if (now - exchange.startedAt <= timeouts.totalMs) return
    // Time is up for the whole call, so nobody else is tried.
    this.#upstream?.abort()
    this.#fail(this.#blame({ phase: 'body', kind: 'timeout', cause: new Error('total time over') }))
  }

  /** Breaks the call off because the process ends. */
  stop(): void {
    this.#upstream?.abort()
    this.#fail(new AppError('overloaded', 'Portico is shutting down.'))
  }

  onStart(status: number, headers: string[]): void {
    const attempt = this.#attempt as Attempt
    if (status < 400) this.#request.walk.began(attempt)
    else if (this.#triesAnother({ status, headers, kind: String(status) })) return
    this.#begin(attempt, status, headers)
  }

  onChunk(chunk: Buffer): boolean {
    this.#firstByteAt ??= performance.now()
    if (this.#held === undefined) return this.#pass(chunk)
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const first = inspectFirstEvent(this.#held)
    return first.state === 'incomplete' || this.#isRefusal(first) || this.#release(this.#held)
  }

  onEnd(): void {
    if (this.#held !== undefined && !this.#releaseAtEnd(this.#held)) return
    if (this.#collected !== undefined) return this.#answerCollected(this.#collected)
    const { transform, isUnframed, hasFailed } = this.#shape as AnswerShape
    const rest = transform?.end()
    if (rest !== undefined) this.#write(rest)
    if (hasFailed?.() === true) return this.#endBadly()
    if (isUnframed && !this.#tap.hasClosingEvent()) {
      return this.onFailure({ phase: 'body', kind: 'broken', cause: new Error('no closing event') })
    }
    this.#finish({ abortedBy: null, error: undefined, isComplete: true })
    return this.#response.end()
  }

  onFailure(failure: OutboundFailure): void {
    if (this.#isOver) return
    // What the client sent was at fault; the upstream has nothing to do with it.
    if (failure.kind === 'request')
      return this.#fail(toCallError(failure, (this.#attempt as Attempt).target))
    const error = this.#blame(failure)
    if (this.#mayTryAgain()) this.#tryNext(error)
    else this.#fail(error)
  }

  /** Another target may be tried as long as the client has not seen anything of this one's answer. */
  #mayTryAgain(): boolean {
    const { attemptsMax } = this.#dependencies.config()
    return !this.#isCommitted && this.#request.plan.isReplayable && this.#attempts < attemptsMax
  }

  #tryNext(last: AppError | undefined): void {
    const next = this.#request.walk.next()
    if (next === undefined || next instanceof AppError) {
      this.#fail(last ?? next ?? new AppError('upstream_failed', 'No provider answered.'))
    } else {
      this.#take(next)
      this.#send(next)
    }
  }

  /** Reports that the upstream answered with an error, and turns to another one where that is called for and possible. */
  #triesAnother(refusal: { status: number; headers: readonly string[]; kind: string }): boolean {
    const attempt = this.#attempt as Attempt
    const { walk } = this.#request
    this.#isConcluded = true
    if (!walk.refused(attempt, refusal.status, refusal.headers)) return false
    this.#dependencies.upstreamFailed(attempt.target.provider.name, refusal.kind)
    const next = this.#mayTryAgain() ? walk.next() : undefined
    if (next === undefined || next instanceof AppError) return false
    this.#upstream?.abort()
    this.#take(next)
    // Not from within a callback of the upstream that is given up: its parser is still at work.
    queueMicrotask(() => {
      if (!this.#isOver) this.#send(next)
    })
    return true
  }

  #take(attempt: Attempt): void {
    this.#attempt = attempt
    this.#isConcluded = false
    this.#attempts += 1
    this.#shape = undefined
    this.#held = undefined
    this.#collected = undefined
    this.#request.exchange.note.provider = attempt.target.provider.name
  }

  #send(attempt: Attempt): void {
    this.#upstream = attempt.upstream.send(attempt.outbound, this)
  }

  #begin(attempt: Attempt, status: number, headers: string[]): void {
    this.#status = status
    const { plan, exchange, observer } = this.#request
    const isStream = isEventStream(headers)
    const shape = shapeOf(attempt, { plan, status, headers, requestId: exchange.id })
    this.#shape = shape
    this.#tap = tapFor(shape.encoding)
    // A stream may still turn out to be an error: its head goes out now, its beginning when it has shown itself.
    if (isStream && status === 200 && shape.encoding === undefined) this.#held = nothing
    if (this.#response.hasBegun) {
      // The client has been promised a stream by an earlier attempt.
      if (this.#held === undefined) this.#giveUp(`The provider answered with status ${status}.`)
      return
    }
    const out = this.#headersFor(attempt, headers, shape)
    observer?.begun(status, out)
    if (shape.rewrite !== undefined) this.#collected = { headers: out, chunks: [], size: 0 }
    else this.#response.begin(status, out, { isEventStream: isStream })
    this.#isCommitted = this.#response.hasBegun && this.#held === undefined
  }

  #headersFor({ target }: Attempt, headers: string[], shape: AnswerShape): string[] {
    const { plan, exchange, observer } = this.#request
    const out = toClientHeaders(headers, {
      requestId: exchange.id,
      resolvedModel: plan.asked === null ? null : target.model,
      isEventStream: isEventStream(headers),
      family: plan.surface.family,
      replacedType: shape.replacedType,
    })
    if (observer !== undefined) out.push(...observer.headers)
    if (this.#status >= 400 && this.#attempts > 1) discourageRetry(out)
    return out
  }

  #pass(chunk: Buffer): boolean {
    this.#tap.push(chunk)
    if (this.#collected !== undefined) return this.#collect(this.#collected, chunk)
    this.#isCommitted = true
    const { transform, hasFailed } = this.#shape as AnswerShape
    const isFlowing = this.#write(transform === undefined ? chunk : transform.push(chunk))
    if (hasFailed?.() === true) this.#endBadly()
    return isFlowing
  }

  #write(bytes: Buffer): boolean {
    this.#request.observer?.chunk(bytes)
    return this.#response.write(bytes, this.#resume)
  }

  #collect(collected: { chunks: Buffer[]; size: number }, chunk: Buffer): boolean {
    collected.chunks.push(chunk)
    collected.size += chunk.length
    if (collected.size > collectedBytesMax) this.#giveUp('The answer is too long to be looked at.')
    return true
  }

  #answerCollected({ headers, chunks }: { headers: string[]; chunks: Buffer[] }): void {
    const { rewrite, replacedType } = this.#shape as AnswerShape
    const body = rewrite?.(Buffer.concat(chunks)) ?? nothing
    if (body instanceof AppError) {
      this.#conclude('broke')
      return this.#fail(body)
    }
    this.#request.observer?.chunk(body)
    this.#finish({ abortedBy: null, error: undefined, isComplete: true })
    // A body that is passed on as it came has the length that its own headers tell.
    const isReplaced = replacedType !== undefined
    return this.#response.answer({ status: this.#status, headers }, body, { isReplaced })
  }

  #release(held: Buffer): boolean {
    this.#held = undefined
    return this.#pass(held)
  }

  /** The upstream reports an error where its answer should begin, and another one is asked instead. */
  #isRefusal(first: FirstEvent): boolean {
    if (first.state !== 'error' || this.#isConcluded) return false
    return this.#triesAnother({ status: first.status, headers: [], kind: 'in_band' })
  }

  /** Returns false where there was nothing in the stream that could be passed on. */
  #releaseAtEnd(held: Buffer): boolean {
    const first = inspectWholeStream(held)
    if (first.state === 'incomplete') {
      this.onFailure({ phase: 'body', kind: 'broken', cause: new Error('the stream was empty') })
      return false
    }
    if (this.#isRefusal(first)) return false
    this.#release(held)
    return !this.#isOver
  }

  #clientLeft(): void {
    if (this.#isOver) return
    this.#upstream?.abort()
    this.#finish({ abortedBy: 'client', error: undefined, isComplete: false })
  }

  /** Reports that the upstream failed, and returns what the client may be told of it. */
  #blame(failure: OutboundFailure): AppError {
    const attempt = this.#attempt as Attempt
    this.#conclude('broke')
    this.#dependencies.upstreamFailed(attempt.target.provider.name, failure.kind)
    return toCallError(failure, attempt.target)
  }

  #fail(error: AppError): void {
    if (this.#isOver) return
    const { exchange, plan } = this.#request
    exchange.note.error = error.code
    const abortedBy = culpritOf(error)
    if (this.#response.hasBegun) {
      this.#finish({ abortedBy, error, isComplete: false })
      const isReadable = this.#response.isEventStream && !this.#shape?.encoding
      const interrupted = new AppError('stream_interrupted', error.message, { cause: error })
      const event = streamErrorEvent(plan.surface.dialect, interrupted, exchange.id)
      return this.#response.breakOff(isReadable ? event : undefined)
    }
    const final = this.#attempts > 1 ? withoutRetry(error) : error
    const answer = errorBody(plan.surface.family, final, exchange.id)
    this.#status = answer.status
    this.#finish({ abortedBy, error: final, isComplete: false })
    return this.#response.answer(answer, answer.body, { isReplaced: true })
  }

  /** There is an answer, but none that could be given to the client. */
  #giveUp(message: string): void {
    this.#upstream?.abort()
    this.#fail(new AppError('upstream_failed', message))
  }

  /** The answer has told of its own failure already; what is left is not to let it look complete. */
  #endBadly(): void {
    this.#upstream?.abort()
    this.#conclude('broke')
    this.#finish({ abortedBy: 'upstream', error: undefined, isComplete: false })
    this.#response.breakOff(nothing)
  }

  #conclude(how: 'ended' | 'broke' | 'abandoned'): void {
    if (this.#isConcluded) return
    this.#isConcluded = true
    this.#request.walk[how](this.#attempt as Attempt)
  }

  #finish(end: Pick<CallOutcome, 'abortedBy' | 'error' | 'isComplete'>): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#conclude(end.isComplete ? 'ended' : 'abandoned')
    const { exchange, onEnd, observer } = this.#request
    exchange.res.off('close', this.#onClose)
    if (end.abortedBy !== null) exchange.note.abortedBy = end.abortedBy
    onEnd({
      ...end,
      status: this.#status,
      target: this.#attempt?.target,
      attempts: this.#attempts,
      usage: this.#tap.read(),
      chunks: this.#tap.chunks,
      bytes: this.#tap.bytes,
      isEventStream: this.#response.isEventStream,
      firstByteMs: this.#firstByteAt === undefined ? null : this.#firstByteAt - exchange.startedAt,
      latencyMs: performance.now() - exchange.startedAt,
    })
    observer?.ended(end.isComplete, this.#attempt?.target)
  }
}

const nothing = Buffer.alloc(0)
