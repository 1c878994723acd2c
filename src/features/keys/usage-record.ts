import type { Insertable } from 'kysely'
import type { UsageTable } from '../../store/schema.ts'

/** What is known of one call at its end. */
export interface UsageRecord {
  readonly requestId: string
  readonly workspaceId: string
  readonly keyId: string
  /** The surface, e.g. `chat/completions`. */
  readonly route: string
  readonly modelAsked: string | null
  readonly providerId: string | null
  readonly modelUsed: string | null
  readonly status: number
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cachedTokens: number | null
  readonly costNanoUsd: number | null
  readonly usageSource: 'reported' | 'estimated' | 'absent'
  readonly abortedBy: 'client' | 'upstream' | 'timeout' | null
  readonly attempts: number
  readonly firstByteMs: number | null
  readonly latencyMs: number
}

const nameLengthMax = 256

/** Far above anything real, and far enough below 2^53 that a day of it still adds up exactly. */
const amountMax = 1e12

/**
 * The row of a call that ended at `at` (epoch ms). One row that the store refuses would take the whole batch with it, so
 * names, which a client chooses, are made storable, and figures, which a provider reports, become whole and not negative.
 */
export function toUsageRow(record: UsageRecord, at: number): Insertable<UsageTable> {
  return {
    at,
    requestId: record.requestId,
    workspaceId: record.workspaceId,
    keyId: record.keyId,
    route: storable(record.route),
    modelAsked: record.modelAsked === null ? null : storable(record.modelAsked),
    providerId: record.providerId,
    modelUsed: record.modelUsed === null ? null : storable(record.modelUsed),
    status: record.status,
    inputTokens: whole(record.inputTokens),
    outputTokens: whole(record.outputTokens),
    cachedTokens: whole(record.cachedTokens),
    costNanoUsd: whole(record.costNanoUsd),
    usageSource: record.usageSource,
    abortedBy: record.abortedBy,
    attempts: record.attempts,
    firstByteMs: whole(record.firstByteMs),
    latencyMs: whole(record.latencyMs) ?? 0,
  }
}

/** PostgreSQL stores neither NUL nor a lone surrogate. */
function storable(text: string): string {
  return text.slice(0, nameLengthMax).replaceAll('\0', '').toWellFormed()
}

function whole(amount: number | null): number | null {
  if (amount === null || Number.isNaN(amount)) return null
  return Math.min(Math.max(0, Math.round(amount)), amountMax)
}
