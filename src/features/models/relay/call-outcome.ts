import type { AppError } from '../../../lib/errors.ts'
import type { Admission, Caller, UsageRecord } from '../caller.ts'
import { costNanoUsd } from '../catalogue/prices.ts'
import type { RequestPlan } from '../request/request-plan.ts'
import type { Target } from '../catalogue/resolve.ts'
import type { TokenUsage } from './usage-tap.ts'

/** How a call ended, as far as it has to be accounted for. */
export interface CallOutcome {
  /** Sent to the client; 0 if it left before anything was. */
  readonly status: number
  readonly target: Target | undefined
  readonly attempts: number
  readonly usage: TokenUsage | undefined
  /** Chunks and bytes of the answer that came from the upstream. */
  readonly chunks: number
  readonly bytes: number
  readonly isEventStream: boolean
  readonly abortedBy: 'client' | 'upstream' | 'timeout' | null
  readonly error: AppError | undefined
  readonly isComplete: boolean
  readonly firstByteMs: number | null
  readonly latencyMs: number
}

/** For whom and for what the call was made. */
export interface CallSubject {
  readonly requestId: string
  readonly caller: Caller
  readonly admission: Admission
  readonly plan: RequestPlan
}

interface Charge {
  readonly usage: TokenUsage | undefined
  readonly source: UsageRecord['usageSource']
  readonly costNanoUsd: number | null
}

/** Settles what was reserved for a call and returns its usage row. */
export function accountFor(subject: CallSubject, outcome: CallOutcome): UsageRecord {
  const { admission, caller, plan, requestId } = subject
  const charge = chargeFor(plan, outcome)
  settle(admission, charge)
  return {
    requestId,
    workspaceId: caller.workspaceId,
    keyId: caller.keyId,
    route: plan.surface.name,
    modelAsked: plan.asked,
    providerId: outcome.target?.provider.id ?? null,
    modelUsed: outcome.target?.model ?? null,
    status: outcome.status,
    ...(charge.usage ?? noTokens),
    costNanoUsd: charge.costNanoUsd,
    usageSource: charge.source,
    abortedBy: outcome.abortedBy,
    attempts: outcome.attempts,
    firstByteMs: outcome.firstByteMs,
    latencyMs: outcome.latencyMs,
  }
}

const noTokens = { inputTokens: null, outputTokens: null, cachedTokens: null } as const

function settle(admission: Admission, { usage, costNanoUsd: cost }: Charge): void {
  if (usage === undefined && cost === null) return admission.release()
  const tokens = usage === undefined ? 0 : usage.inputTokens + usage.outputTokens
  return admission.settle({ tokens, costNanoUsd: cost ?? 0 })
}

/** What the upstream reported; where it did not, an estimate of what it took; nothing for what failed. */
function chargeFor(plan: RequestPlan, outcome: CallOutcome): Charge {
  const { target, usage: reported } = outcome
  const estimate = estimateOf(plan, outcome)
  const usage = reported === undefined ? estimate : withEstimatedOutput(reported, estimate, outcome)
  const source = usage === undefined ? 'absent' : usage === reported ? 'reported' : 'estimated'
  // Where nothing can be told of the tokens, there still is the price of the request.
  const priced = usage ?? (isAnswered(outcome) ? noUsage : undefined)
  if (target === undefined || priced === undefined) return { usage, source, costNanoUsd: null }
  return { usage, source, costNanoUsd: costNanoUsd(target.price, priced) }
}

const noUsage: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 }

/** An answer that broke off can have reported its beginning alone, as Anthropic's streams do. */
function withEstimatedOutput(
  reported: TokenUsage,
  estimate: TokenUsage | undefined,
  outcome: CallOutcome,
): TokenUsage {
  const told = reported.outputTokens
  if (outcome.isComplete || estimate === undefined || estimate.outputTokens <= told) return reported
  return { ...reported, outputTokens: estimate.outputTokens }
}

/** The JSON around one token of a stream takes up to this much; a chunk of the network may hold several events. */
const eventBytesPerToken = 256
const textBytesPerToken = 4

/**
 * What an answer has taken, judged by its length: a stream has about one token a chunk. What is not text (speech, images)
 * has no tokens to tell. A client that leaves early has had its input read, and pays for that.
 */
function estimateOf(plan: RequestPlan, outcome: CallOutcome): TokenUsage | undefined {
  const { bytes, chunks, isEventStream, target } = outcome
  if (target === undefined || !(plan.surface.isText || isEventStream)) return undefined
  const hasLeftEarly = outcome.abortedBy === 'client' && (outcome.status === 0 || bytes === 0)
  if (!hasLeftEarly && (bytes === 0 || !isAnswered(outcome))) return undefined
  const outputTokens = isEventStream
    ? Math.max(chunks, Math.ceil(bytes / eventBytesPerToken))
    : Math.ceil(bytes / textBytesPerToken)
  return { inputTokens: plan.estimate.input, outputTokens, cachedTokens: 0 }
}

function isAnswered({ status }: CallOutcome): boolean {
  return status >= 200 && status < 300
}
