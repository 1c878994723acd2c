import { AppError } from '../../lib/errors.ts'
import { hasScope, type Scope } from '../../lib/principal.ts'
import { isAdmin, type Requester } from '../../net/requester.ts'
import type { LiveKey } from './live-key.ts'

/** What somebody wants to do with a key: change its settings, give it another name or text, or delete it. */
export type KeyIntent = 'configure' | 'rename' | 'rotate' | 'delete'

/**
 * Throws `insufficient_scope` where the change would let the requester do more than now. An admin may do everything.
 * `self` is the requester’s own key; undefined for a requester without one.
 */
export function requireMayChange(
  requester: Requester,
  { self, target }: { readonly self: LiveKey | undefined; readonly target: LiveKey },
  intent: KeyIntent,
): void {
  if (isAdmin(requester.principal)) return
  requireHolds(requester, target.settings.scopes)
  if (!self) return
  if (self === target) {
    if (intent === 'configure') throw refused('A key cannot change what it may do itself.')
    return
  }
  if (self.isWithin(target)) throw refused('A key cannot change a key above it.')
  requireBelow(self, target)
}

/** Throws `insufficient_scope` unless the requester holds every one of the scopes. */
export function requireHolds({ principal }: Requester, scopes: readonly Scope[]): void {
  const lacking = scopes.filter((scope) => !hasScope(principal, scope))
  if (lacking.length > 0) throw refused(`This needs the scope ${lacking.join(', ')}.`)
}

/**
 * Throws `insufficient_scope` when `self` has limits and `target` is not below it, where the same limits hold: a key
 * that could hand out keys without them would have none itself.
 */
export function requireBelow(self: LiveKey, target: LiveKey | undefined): void {
  if (!isBounded(self) || target?.isWithin(self)) return
  throw refused('A key with limits manages only the keys below it.')
}

/** Says whether the key, by itself or through one above it, has less than all of the workspace, for all time. */
export function isBounded(key: LiveKey): boolean {
  const { allowedModels, allowedServices, expiresAt } = key.settings
  const isNarrowed = allowedModels !== null || allowedServices !== null || expiresAt !== null
  return isNarrowed || key.limits.length > 0 || (key.parent !== undefined && isBounded(key.parent))
}

function refused(message: string): AppError {
  return new AppError('insufficient_scope', message)
}
