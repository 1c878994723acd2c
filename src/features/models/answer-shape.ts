import { AppError } from '../../lib/errors.ts'
import { translateErrorBody } from './anthropic/error-translation.ts'
import { translateResponse } from './anthropic/response-translation.ts'
import { createStreamTranslation } from './anthropic/stream-translation.ts'
import type { BodyTransform } from './body-transform.ts'
import { CredentialMask } from './credential-mask.ts'
import type { RequestPlan } from './request-plan.ts'
import { headerOf, isEventStream } from './response-headers.ts'
import type { Attempt } from './target-walk.ts'
import { UsageEventFilter } from './usage-event-filter.ts'

/** What has to happen to the body of an answer before the client gets it. */
export interface AnswerShape {
  /** Changes the bytes as they pass; most answers pass as they are. */
  readonly transform: BodyTransform | undefined
  /** Says that the transform has ended the answer with an error of its own, so that it must not end well. */
  readonly hasFailed: (() => boolean) | undefined
  /** Changes the body as a whole, once all of it is here. */
  readonly rewrite: ((body: Buffer) => Buffer | AppError) | undefined
  /** The content type of what was made of it, where that is not the upstream's. */
  readonly replacedType: string | undefined
  /** The bytes mean what they say: they are not compressed. */
  readonly isReadable: boolean
}

/** The head of an answer, and for whom it is. */
export interface AnswerHead {
  readonly plan: RequestPlan
  readonly status: number
  readonly headers: readonly string[]
  readonly requestId: string
}

const asItIs = {
  transform: undefined,
  hasFailed: undefined,
  rewrite: undefined,
  replacedType: undefined,
} as const

/** Decides what happens to the body of the answer that `head` begins. */
export function shapeOf(attempt: Attempt, head: AnswerHead): AnswerShape {
  const encoding = headerOf(head.headers, 'content-encoding')
  const isReadable = encoding === undefined || encoding === '' || encoding === 'identity'
  if (!isReadable) return { ...asItIs, isReadable }
  if (attempt.isTranslated) return { ...translationShape(attempt, head), isReadable }
  const secret = head.status >= 400 ? attempt.credential.secret?.reveal() : undefined
  if (secret !== undefined) return { ...asItIs, transform: new CredentialMask(secret), isReadable }
  if (attempt.injectsUsage && isEventStream(head.headers)) {
    return { ...asItIs, transform: new UsageEventFilter(), isReadable }
  }
  return { ...asItIs, isReadable }
}

function translationShape(attempt: Attempt, head: AnswerHead): Omit<AnswerShape, 'isReadable'> {
  const { plan, status, headers, requestId } = head
  const context = { model: plan.asked ?? '', requestId }
  if (status !== 200) {
    return {
      ...asItIs,
      rewrite: (body) => translateErrorBody(status, masked(attempt, body), requestId),
      replacedType: 'application/json',
    }
  }
  if (!isEventStream(headers)) {
    return {
      ...asItIs,
      rewrite: (body) => translateWhole(body, context),
      replacedType: 'application/json',
    }
  }
  const translation = createStreamTranslation({ ...context, inputTokens: plan.estimate.input })
  return {
    ...asItIs,
    transform: translation,
    hasFailed: () => translation.outcome === 'failed',
    replacedType: 'text/event-stream; charset=utf-8',
  }
}

function masked({ credential }: Attempt, body: Buffer): Buffer {
  if (credential.secret === null) return body
  const mask = new CredentialMask(credential.secret.reveal())
  return Buffer.concat([mask.push(body), mask.end()])
}

function translateWhole(
  body: Buffer,
  context: { model: string; requestId: string },
): Buffer | AppError {
  try {
    return translateResponse(body, context).body
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}
