import type { Generated } from 'kysely'

/**
 * Tables of the store, the same on SQLite and PostgreSQL.
 * Times are epoch ms. Booleans are 0 or 1. Columns named `…Json` hold JSON text. Money is integer nano US dollars
 * (1 USD = 1e9), so that sums are exact.
 */
export interface Schema {
  workspaces: WorkspaceTable
  keys: KeyTable
  providers: ProviderTable
  aliases: AliasTable
  usage: UsageTable
  usageDaily: UsageDailyTable
  audit: AuditTable
  promptLog: PromptLogTable
  upstreamObjects: UpstreamObjectTable
  services: ServiceTable
  bundles: BundleTable
  serviceCatalogues: ServiceCatalogueTable
  serviceUserValues: ServiceUserValueTable
  commandApprovals: CommandApprovalTable
}

export interface WorkspaceTable {
  id: string
  name: string
  createdAt: number
  updatedAt: number
}

export interface KeyTable {
  id: string
  workspaceId: string
  /** The key under which this one was made; its limits and budget bound this one too. */
  parentId: string | null
  name: string
  /** SHA-256 of the key text, lower-case hex. Unique. */
  hash: string
  /** First characters of the text (`ptk_` + 4), for recognising it. */
  prefix: string
  last4: string
  /** The sealed text; only for keys made through the Doroseek settings contract, which has to show them again. */
  sealedText: string | null
  scopesJson: string
  enabled: number
  expiresAt: number | null
  /** Array of exact names and `prefix*`; null allows all. */
  allowedModelsJson: string | null
  allowedServicesJson: string | null
  requestsPerMinute: number | null
  tokensPerMinute: number | null
  concurrentRequests: number | null
  budgetDayNanoUsd: number | null
  budgetWeekNanoUsd: number | null
  budgetMonthNanoUsd: number | null
  budgetTotalNanoUsd: number | null
  allowUnpriced: number
  allowQuery: number
  defaultProviderId: string | null
  cacheResponses: number
  logPrompts: number
  createdAt: number
  updatedAt: number
}

export interface ProviderTable {
  id: string
  workspaceId: string
  name: string
  /** `openai`, `azure`, `anthropic`, `ollama` or `custom`. */
  kind: string
  baseUrl: string
  /** Sealed JSON array of credentials. */
  sealedCredentials: string | null
  headersJson: string
  /** Array of `name` or `alias@name`. */
  modelsJson: string
  enabled: number
  weight: number
  priority: number
  /** Object: model name or `*` → prices in US dollars per million tokens. */
  pricesJson: string
  timeoutsJson: string
  /** Per-provider switches (include_usage injection, organisation headers, concurrency …). */
  optionsJson: string
  allowPrivate: number
  createdAt: number
  updatedAt: number
}

export interface AliasTable {
  id: string
  workspaceId: string
  name: string
  targetsJson: string
  enabled: number
  createdAt: number
  updatedAt: number
}

/** One row a request. */
export interface UsageTable {
  id: Generated<number>
  at: number
  requestId: string
  workspaceId: string
  keyId: string
  route: string
  modelAsked: string | null
  providerId: string | null
  modelUsed: string | null
  status: number
  inputTokens: number | null
  outputTokens: number | null
  cachedTokens: number | null
  costNanoUsd: number | null
  /** `reported`, `estimated` or `absent`. */
  usageSource: string
  /** `client`, `upstream` or `timeout`; null when the exchange completed. */
  abortedBy: string | null
  attempts: number
  firstByteMs: number | null
  latencyMs: number
}

/** Sums a day (UTC), kept for ever: the ledger from which budgets are rebuilt at start. */
export interface UsageDailyTable {
  /** `YYYY-MM-DD`, UTC. */
  day: string
  workspaceId: string
  keyId: string
  /** Model used, `''` when none. */
  model: string
  /** `''` when none. */
  providerId: string
  requests: number
  errors: number
  inputTokens: number
  outputTokens: number
  cachedTokens: number
  costNanoUsd: number
}

/** One row a management change. */
interface AuditTable {
  id: Generated<number>
  at: number
  workspaceId: string
  /** Key id of who did it, or `system`. */
  actor: string
  /** e.g. `key.create`, `provider.update`. */
  action: string
  targetType: string
  targetId: string
  /** Secrets masked. */
  beforeJson: string | null
  afterJson: string | null
  requestId: string
  ip: string
}

export interface PromptLogTable {
  id: Generated<number>
  at: number
  workspaceId: string
  keyId: string
  requestId: string
  model: string
  request: string
  response: string
}

/** Which provider holds an object that a client made through us (file, batch, stored response). */
export interface UpstreamObjectTable {
  workspaceId: string
  objectId: string
  providerId: string
  createdAt: number
}

/** One MCP server. */
export interface ServiceTable {
  id: string
  workspaceId: string
  /** As in URLs. Unique in its workspace, among bundles too. */
  name: string
  /** Secrets masked. */
  settingsJson: string
  /** Sealed JSON object of the masked values; null where there are none. */
  sealedValues: string | null
  /** Further path; unique in its workspace. */
  path: string | null
  /** What MCP Reverse Proxy clients said of the service that its settings do not hold; null for none. */
  originJson: string | null
  /** `started` or `stopped` by somebody; `auto` as the settings say. */
  desiredState: string
  createdAt: number
  updatedAt: number
}

/** Several services behind one endpoint. */
export interface BundleTable {
  id: string
  workspaceId: string
  name: string
  settingsJson: string
  createdAt: number
  updatedAt: number
}

/** What a service was last found to have. */
export interface ServiceCatalogueTable {
  serviceId: string
  revision: string
  helloJson: string
  /** Object: list kind → array of `[name, JSON text]`. */
  listsJson: string
  /** The same of what was approved; null where the service is not pinned. */
  approvedJson: string | null
  /** SHA-256 of hello and lists, lower-case hex. */
  hash: string
  fetchedAt: number
}

/** A value that one key has given for a service. */
interface ServiceUserValueTable {
  serviceId: string
  keyId: string
  name: string
  sealed: string
  updatedAt: number
}

/** A command line that somebody wanted to run, and what an administrator said to it. */
export interface CommandApprovalTable {
  id: string
  workspaceId: string
  /** SHA-256 of the canonical form, lower-case hex. Unique in its workspace. */
  hash: string
  /** Array: the command and its arguments. */
  argvJson: string
  envNamesJson: string
  cwd: string | null
  sandbox: number
  /** `pending`, `approved` or `rejected`. */
  state: string
  createdAt: number
  decidedAt: number | null
  /** Key id. */
  decidedBy: string | null
}
