import type { Inbound } from '../../net/exchange.ts'

/** The key on whose behalf a model is called: what this feature has to know of it. */
export interface Caller {
  readonly keyId: string
  readonly workspaceId: string
  /** Says whether the name, as the client sent it, is on the key's allow-list. */
  allowsModel(name: string): boolean
  /** A budget or a token limit depends on the usage of this call, so it must be learnt even if the client does not ask. */
  readonly needsUsage: boolean
  /** The key has a budget somewhere in its chain and no leave to call models without a price. */
  readonly refusesUnpriced: boolean
  readonly defaultProviderId: string | null
  readonly cacheResponses: boolean
  readonly logPrompts: boolean
}

/** What a call is expected to use, at most. */
export interface UsageEstimate {
  readonly tokens: number
  readonly costNanoUsd: number
}

/** Leave to make one call, with its limits reserved. Exactly one of the two methods is called, once. */
export interface Admission {
  /** The call took place and used this much; what was reserved beyond it is given back. */
  settle(actual: UsageEstimate): void
  /** The call did not take place; everything reserved is given back but the request itself stays counted. */
  release(): void
  /** `x-ratelimit-*` headers as a flat list name, value, … for answers made by us. */
  readonly headers: readonly string[]
}

/** One usage row, made at the end of a call. */
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

/** What this feature is handed to know and to charge its callers. */
export interface CallerAccess {
  /** Throws `invalid_api_key`, `key_expired`, `key_disabled`, `query_key_not_allowed`, `ambiguous_credentials`, `insufficient_scope`. */
  authenticate(inbound: Inbound): Caller
  /** Throws (or rejects with) `rate_limit_exceeded` or `insufficient_quota`. Synchronous when the counters are in memory. */
  admit(caller: Caller, estimate: UsageEstimate): Admission | Promise<Admission>
  recordUsage(record: UsageRecord): void
}
