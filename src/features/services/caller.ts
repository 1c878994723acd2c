import type { Inbound } from '../../net/exchange.ts'

/** The key on whose behalf a service is called: what this feature has to know of it. */
export interface Caller {
  readonly keyId: string
  readonly workspaceId: string
  /** Says whether the service of this name is on the key's allow-list. */
  allowsService(name: string): boolean
  /** Says whether the tool, named `service/tool`, may be called. A list that names services alone allows all their tools. */
  allowsTool(service: string, tool: string): boolean
  /** May have commands run that nobody approved. */
  readonly runsCommands: boolean
  /** Says whether the key still works. Connections of one that does not are closed. */
  isUsable(): boolean
}

/** Leave to make one call, with its limits reserved. Exactly one of the two methods is called, once. */
export interface Admission {
  /** The call took place, and cost what was said. */
  settle(): void
  /** The call did not take place. */
  release(): void
}

/** One usage row, made at the end of a call. */
export interface CallRecord {
  readonly requestId: string
  readonly workspaceId: string
  readonly keyId: string
  /** `mcp/` and the method, e.g. `mcp/tools/call`. */
  readonly route: string
  /** The tool, prompt or resource asked for. */
  readonly asked: string | null
  readonly serviceId: string | null
  /** Name of the tool at the service. */
  readonly used: string | null
  readonly costUsd: number
  /** As HTTP would say it: 200, 4xx for refusals, 502 or 504 for failures of the service. */
  readonly status: number
  readonly abortedBy: 'client' | 'upstream' | 'timeout' | null
  readonly firstByteMs: number | null
  readonly latencyMs: number
}

/** What this feature is handed to know its callers and to charge them. */
export interface CallerAccess {
  /** Throws `invalid_api_key`, `key_expired`, `key_disabled`, `query_key_not_allowed`, `ambiguous_credentials`, `insufficient_scope`. */
  authenticate(inbound: Inbound): Caller
  /** Reserves the limits of one call of that price. Throws (or rejects with) `rate_limit_exceeded` or `insufficient_quota`. */
  admit(caller: Caller, costUsd: number): Admission | Promise<Admission>
  recordCall(record: CallRecord): void
}
