import type { AppError } from '../../lib/errors.ts'
import type { Admission, Caller, UsageRecord } from './caller.ts'
import { costNanoUsd } from './prices.ts'
import type { RequestPlan } from './request-plan.ts'
import type { Target } from './resolve.ts'
import type { TokenUsage } from './usage-tap.ts'

/** How a call ended, as far as it has to be accounted for. */
export interface CallOutcome {
  /** Sent to the client; 0 if it left before anything was. */
  readonly status: number
  readonly target: Target | undefined
  readonly attempts: number
  readonly usage: TokenUsage | undefined
  /** Chunks of the answer that came from the upstream. */
  readonly chunks: number
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

/** What the upstream reported; where an answer went out without a report, an estimate; nothing for what failed. */
function chargeFor(plan: RequestPlan, outcome: CallOutcome): Charge {
  const usage = outcome.usage ?? estimateOf(plan, outcome)
  const source =
    outcome.usage !== undefined ? 'reported' : usage !== undefined ? 'estimated' : 'absent'
  const isAnswered = outcome.status >= 200 && outcome.status < 300
  if (outcome.target === undefined || !isAnswered) return { usage, source, costNanoUsd: null }
  const priced = usage ?? { inputTokens: 0, outputTokens: 0, cachedTokens: 0 }
  return { usage, source, costNanoUsd: costNanoUsd(outcome.target.price, priced) }
}

/** A stream without a report has about one token a chunk. Other answers without a report (speech, images) have no tokens to tell. */
function estimateOf(plan: RequestPlan, outcome: CallOutcome): TokenUsage | undefined {
  if (!plan.isStream || outcome.chunks === 0 || outcome.status !== 200) return undefined
  return { inputTokens: plan.estimate.input, outputTokens: outcome.chunks, cachedTokens: 0 }
}
