import type { Principal, Scope } from '../../lib/principal.ts'
import { compileAllowList, intersectAllowLists, type AllowList } from './allow-list.ts'
import type { KeySettings } from './key-settings.ts'
import { limitsOf, type Limit } from './limits.ts'

/** Whether a key works at a given moment, by itself and by the keys above it. */
export type KeyStanding = 'usable' | 'expired' | 'disabled'

/**
 * A key in memory, with everything the data plane asks of it worked out beforehand.
 * There is one object for a key as long as the process runs: whoever holds it sees every change at once.
 */
export class LiveKey implements Principal {
  readonly keyId: string
  readonly workspaceId: string
  readonly parent: LiveKey | undefined
  readonly children = new Set<LiveKey>()

  settings: KeySettings
  /** The key was deleted; it stays unusable for whoever still holds it. */
  removed = false

  // Worked out by `refresh`.
  scopes: ReadonlySet<Scope> = new Set()
  allowsModel: AllowList = nothing
  allowsService: AllowList = nothing
  /** The limits of this key and of all keys above it. */
  limits: readonly Limit[] = []
  /** A budget or a token limit depends on what a call of this key uses. */
  needsUsage = false
  /** A key in the chain has a budget and no leave to call models without a price. */
  refusesUnpriced = false
  defaultProviderId: string | null = null
  cacheResponses = false
  logPrompts = false

  constructor(settings: KeySettings, parent: LiveKey | undefined) {
    this.keyId = settings.id
    this.workspaceId = settings.workspaceId
    this.parent = parent
    this.settings = settings
    parent?.children.add(this)
    this.refresh()
  }

  /** Works out anew what depends on the settings of this key and of those above, here and in all keys below. */
  refresh(): void {
    const { settings, parent } = this
    const hasBudget = Object.values(settings.budget).some((max) => max !== null)
    this.scopes = new Set(settings.scopes)
    this.allowsModel = narrow(settings.allowedModels, parent?.allowsModel)
    this.allowsService = narrow(settings.allowedServices, parent?.allowsService)
    // What a deleted key was limited to is of no interest any more, but its calls under way are still charged above.
    this.limits = [...(this.removed ? [] : limitsOf(settings)), ...(parent?.limits ?? [])]
    this.needsUsage = this.limits.some(
      ({ measure }) => measure === 'budget' || measure === 'tokens',
    )
    this.refusesUnpriced =
      (parent?.refusesUnpriced ?? false) || (hasBudget && !settings.allowUnpriced)
    this.defaultProviderId = settings.defaultProviderId
    this.cacheResponses = settings.cacheResponses
    this.logPrompts = settings.logPrompts
    for (const child of this.children) child.refresh()
  }

  /** Whether the key works at `now` (epoch ms). A key above that does not work disables the ones below. */
  standing(now: number): KeyStanding {
    if (!isEnabled(this)) return 'disabled'
    for (let above = this.parent; above; above = above.parent) {
      if (!isEnabled(above) || hasExpired(above, now)) return 'disabled'
    }
    return hasExpired(this, now) ? 'expired' : 'usable'
  }

  /** This key and all keys below it, parents first. */
  *subtree(): Generator<LiveKey> {
    yield this
    for (const child of this.children) yield* child.subtree()
  }

  /** Says whether `other` is this key or one above it. */
  isWithin(other: LiveKey): boolean {
    return this === other || (this.parent?.isWithin(other) ?? false)
  }
}

function isEnabled(key: LiveKey): boolean {
  return key.settings.enabled && !key.removed
}

function hasExpired(key: LiveKey, now: number): boolean {
  const { expiresAt } = key.settings
  return expiresAt !== null && now >= expiresAt
}

function narrow(own: readonly string[] | null, above: AllowList | undefined): AllowList {
  if (!above) return compileAllowList(own)
  return own === null ? above : intersectAllowLists(compileAllowList(own), above)
}

function nothing(): boolean {
  return false
}
