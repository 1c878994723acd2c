import type { Insertable, Selectable } from 'kysely'
import { z } from 'zod'
import { scopes, type Scope } from '../../lib/principal.ts'
import type { KeyTable } from '../../store/schema.ts'
import type { BudgetPeriod } from './budget-period.ts'
import type { KeyDigest } from './key-text.ts'

/** Everything that is stored about a key, parsed. Immutable; a change makes a new one. */
export interface KeySettings {
  readonly id: string
  readonly workspaceId: string
  readonly parentId: string | null
  readonly name: string
  /** SHA-256 of the text, lower-case hex. */
  readonly hash: string
  readonly prefix: string
  readonly last4: string
  readonly sealedText: string | null
  readonly scopes: readonly Scope[]
  readonly enabled: boolean
  /** Epoch ms; null for never. */
  readonly expiresAt: number | null
  /** Exact names and `prefix*`; null allows all. */
  readonly allowedModels: readonly string[] | null
  readonly allowedServices: readonly string[] | null
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly concurrentRequests: number | null
  /** Nano US dollars; null for no bound. */
  readonly budget: Readonly<Record<BudgetPeriod, number | null>>
  readonly allowUnpriced: boolean
  readonly allowQuery: boolean
  readonly defaultProviderId: string | null
  readonly cacheResponses: boolean
  readonly logPrompts: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** The budget of a key that has none. */
export const noBudget: KeySettings['budget'] = { day: null, week: null, month: null, total: null }

/** A key that may do nothing and has no limits, made at `now` (epoch ms). */
export function blankKeySettings(
  identity: KeyDigest & Pick<KeySettings, 'id' | 'workspaceId' | 'name'>,
  now: number,
): KeySettings {
  return {
    ...identity,
    parentId: null,
    sealedText: null,
    scopes: [],
    enabled: true,
    expiresAt: null,
    allowedModels: null,
    allowedServices: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    concurrentRequests: null,
    budget: noBudget,
    allowUnpriced: false,
    allowQuery: false,
    defaultProviderId: null,
    cacheResponses: false,
    logPrompts: false,
    createdAt: now,
    updatedAt: now,
  }
}

const ScopeList = z.array(z.enum(scopes))
const NameList = z.array(z.string())

/** Parses a row. Throws where a column does not hold what the schema says. */
export function parseKeyRow(row: Selectable<KeyTable>): KeySettings {
  const { scopesJson, allowedModelsJson, allowedServicesJson, ...rest } = row
  const {
    budgetDayNanoUsd: day,
    budgetWeekNanoUsd: week,
    budgetMonthNanoUsd: month,
    budgetTotalNanoUsd: total,
    ...plain
  } = rest
  return {
    ...plain,
    scopes: ScopeList.parse(JSON.parse(scopesJson)),
    enabled: row.enabled === 1,
    allowedModels: parseNames(allowedModelsJson),
    allowedServices: parseNames(allowedServicesJson),
    budget: { day, week, month, total },
    allowUnpriced: row.allowUnpriced === 1,
    allowQuery: row.allowQuery === 1,
    cacheResponses: row.cacheResponses === 1,
    logPrompts: row.logPrompts === 1,
  }
}

/** The row in which the settings are stored. */
export function toKeyRow(settings: KeySettings): Insertable<KeyTable> {
  const { scopes: held, allowedModels, allowedServices, budget, ...plain } = settings
  return {
    ...plain,
    scopesJson: JSON.stringify(held),
    enabled: Number(settings.enabled),
    allowedModelsJson: allowedModels && JSON.stringify(allowedModels),
    allowedServicesJson: allowedServices && JSON.stringify(allowedServices),
    budgetDayNanoUsd: budget.day,
    budgetWeekNanoUsd: budget.week,
    budgetMonthNanoUsd: budget.month,
    budgetTotalNanoUsd: budget.total,
    allowUnpriced: Number(settings.allowUnpriced),
    allowQuery: Number(settings.allowQuery),
    cacheResponses: Number(settings.cacheResponses),
    logPrompts: Number(settings.logPrompts),
  }
}

function parseNames(json: string | null): readonly string[] | null {
  return json === null ? null : NameList.parse(JSON.parse(json))
}
