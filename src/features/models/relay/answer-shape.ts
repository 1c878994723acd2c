import { AppError } from '../../../lib/errors.ts'
import { decodeContent } from '../../../net/content-decoding.ts'
import { translateErrorBody } from '../anthropic/error-translation.ts'
import { translateResponse } from '../anthropic/response-translation.ts'
import { createStreamTranslation } from '../anthropic/stream-translation.ts'
import type { BodyTransform } from './body-transform.ts'
import type { RequestPlan } from '../request/request-plan.ts'
import { headerOf, isEventStream } from './response-headers.ts'
import type { Attempt } from '../routing/target-walk.ts'
import { UsageEventFilter } from './usage-event-filter.ts'

/** What has to happen to the body of an answer before the client gets it. */
export interface AnswerShape {
  /** Its `content-encoding`, where it has one: then its bytes cannot be read in passing. */
  readonly encoding: string | undefined
  /** Changes the bytes as they pass; most answers pass as they are. */
  readonly transform: BodyTransform | undefined
  /** Says that the transform has ended the answer with an error of its own, so that it must not end well. */
  readonly hasFailed: (() => boolean) | undefined
  /** Looks at the body as a whole, once all of it is here, and gives what goes out. */
  readonly rewrite: ((body: Buffer) => Buffer | AppError) | undefined
  /** The content type of what was made of it, where that is not the upstream's. */
  readonly replacedType: string | undefined
  /** A stream that ends with its connection: only its last event can tell whether it is complete. */
  readonly isUnframed: boolean
}

/** The head of an answer, and for whom it is. */
export interface AnswerHead {
  readonly plan: RequestPlan
  readonly status: number
  readonly headers: readonly string[]
  readonly requestId: string
}

const asItIs: AnswerShape = {
  encoding: undefined,
  transform: undefined,
  hasFailed: undefined,
  rewrite: undefined,
  replacedType: undefined,
  isUnframed: false,
}

/** Errors are short; one that is not will not be read. */
const errorBytesMax = 1024 * 1024

/** Decides what happens to the body of the answer that `head` begins. */
export function shapeOf(attempt: Attempt, head: AnswerHead): AnswerShape {
  const encoding = encodingOf(head.headers)
  if (head.status >= 400) return errorShape(attempt, head, encoding)
  if (attempt.isTranslated) return translationShape(head, encoding)
  if (encoding !== undefined) return { ...asItIs, encoding }
  if (!isEventStream(head.headers)) return asItIs
  return {
    ...asItIs,
    transform: attempt.injectsUsage ? new UsageEventFilter() : undefined,
    isUnframed: head.plan.surface.isText && isUnframed(head.headers),
  }
}

/** Errors are held until they are complete: one that repeats our credential must not get out. */
function errorShape(
  attempt: Attempt,
  { status, requestId }: AnswerHead,
  encoding: string | undefined,
): AnswerShape {
  if (!attempt.isTranslated && attempt.credential.secret === null) return { ...asItIs, encoding }
  const rewrite = (body: Buffer): Buffer | AppError => {
    const text = encoding === undefined ? body : decodeContent(body, encoding, errorBytesMax)
    if (text === undefined || repeatsCredential(attempt, text)) return withheld(attempt, status)
    return attempt.isTranslated ? translateErrorBody(status, text, requestId) : body
  }
  const replacedType = attempt.isTranslated ? 'application/json' : undefined
  return { ...asItIs, encoding, rewrite, replacedType }
}

function repeatsCredential({ credential }: Attempt, text: Buffer): boolean {
  return credential.secret !== null && text.includes(credential.secret.reveal())
}

/** There is nothing that the client could do about it, and nothing in it that is meant for the client. */
function withheld({ target }: Attempt, status: number): AppError {
  const message = `Provider "${target.provider.name}" refused the request with status ${status}.`
  return new AppError('upstream_failed', message, { headers: { 'x-should-retry': 'false' } })
}

function translationShape(
  { plan, headers, requestId }: AnswerHead,
  encoding: string | undefined,
): AnswerShape {
  const context = { model: plan.asked ?? '', requestId }
  if (encoding !== undefined || !isEventStream(headers)) {
    const rewrite = (body: Buffer): Buffer | AppError => translateWhole(body, encoding, context)
    return { ...asItIs, encoding, rewrite, replacedType: 'application/json' }
  }
  const translation = createStreamTranslation({ ...context, inputTokens: plan.estimate.input })
  return {
    ...asItIs,
    transform: translation,
    hasFailed: () => translation.outcome === 'failed',
    replacedType: 'text/event-stream; charset=utf-8',
  }
}

function translateWhole(
  body: Buffer,
  encoding: string | undefined,
  context: { model: string; requestId: string },
): Buffer | AppError {
  if (encoding !== undefined) {
    return new AppError('upstream_failed', 'The provider compresses what it was asked not to.')
  }
  try {
    return translateResponse(body, context).body
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

function encodingOf(headers: readonly string[]): string | undefined {
  const encoding = headerOf(headers, 'content-encoding')
  return encoding === '' || encoding?.toLowerCase() === 'identity' ? undefined : encoding
}

function isUnframed(headers: readonly string[]): boolean {
  return (
    headerOf(headers, 'content-length') === undefined &&
    headerOf(headers, 'transfer-encoding') === undefined
  )
}
