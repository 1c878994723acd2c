import type { z } from 'zod'
import type * as api from '../../protocol/api/keys.ts'
import type { KeySettings } from './key-settings.ts'

const nanoPerUsd = 1e9

/** What the management API shows of a key: nothing that could be used in its place. */
export function toKeyView(settings: KeySettings): z.output<typeof api.KeyView> {
  const { hash: _hash, sealedText: _sealedText, budget, ...shown } = settings
  return {
    ...shown,
    scopes: [...settings.scopes],
    allowedModels: settings.allowedModels && [...settings.allowedModels],
    allowedServices: settings.allowedServices && [...settings.allowedServices],
    budget: {
      day: toUsd(budget.day),
      week: toUsd(budget.week),
      month: toUsd(budget.month),
      total: toUsd(budget.total),
    },
    expiresAt: settings.expiresAt === null ? null : toIso(settings.expiresAt),
    createdAt: toIso(settings.createdAt),
    updatedAt: toIso(settings.updatedAt),
  }
}

/** A budget in nano US dollars; what is left out keeps its value in `before`. */
export function toNanoBudget(
  budget: z.output<typeof api.Budget>,
  before: KeySettings['budget'],
): KeySettings['budget'] {
  return {
    day: toNano(budget.day, before.day),
    week: toNano(budget.week, before.week),
    month: toNano(budget.month, before.month),
    total: toNano(budget.total, before.total),
  }
}

/** Nano US dollars as US dollars. */
export function toUsd(nanoUsd: number): number
export function toUsd(nanoUsd: number | null): number | null
export function toUsd(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : nanoUsd / nanoPerUsd
}

/** Epoch ms as ISO 8601. */
export function toIso(at: number): string {
  return new Date(at).toISOString()
}

function toNano(usd: number | null | undefined, before: number | null): number | null {
  if (usd === undefined) return before
  return usd === null ? null : Math.round(usd * nanoPerUsd)
}
