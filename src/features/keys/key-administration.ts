import type { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { hasScope, type Scope } from '../../lib/principal.ts'
import { isAdmin, maySee, notFound, type Requester } from '../../net/requester.ts'
import type * as api from '../../protocol/api/keys.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Exclusive } from './exclusive.ts'
import { isBounded, requireBelow, requireHolds, requireMayChange } from './key-permissions.ts'
import type { KeyRing } from './key-ring.ts'
import { noBudget, type KeySettings } from './key-settings.ts'
import type { KeyStore } from './key-store.ts'
import { digestKeyText, newKeyText } from './key-text.ts'
import { toNanoBudget } from './key-view.ts'
import type { LiveKey } from './live-key.ts'
import { sealedContext } from './text-keys.ts'
import type { Workspaces } from './workspaces.ts'

/** Finds the provider of a workspace by its id or name; undefined where there is none. */
export type FindProvider = (
  workspaceId: string,
  idOrName: string,
) => { readonly id: string } | undefined

/** What the administration of keys needs. */
export interface KeyAdministrationDeps {
  readonly ring: KeyRing
  readonly keyStore: KeyStore
  readonly workspaces: Workspaces
  readonly exclusively: Exclusive
  readonly clock: Clock
  readonly secretBox: Pick<SecretBox, 'seal'>
  readonly findProvider: FindProvider
}

/** A key and its text, which is shown this once. */
export interface Issued {
  readonly key: LiveKey
  readonly text: string
}

/**
 * Keys as people manage them. A key of another workspace does not exist for a requester who is no admin: `not_found`.
 * A change that would widen what the requester may do is refused with `insufficient_scope`.
 */
export interface KeyAdministration {
  /** Oldest first. */
  list(requester: Requester, workspace: string | undefined): LiveKey[]
  get(requester: Requester, id: string): LiveKey
  /** Throws `invalid_request` for a parent or provider that does not fit. */
  create(requester: Requester, draft: z.output<typeof api.NewKey>): Promise<Issued>
  update(requester: Requester, id: string, change: z.output<typeof api.KeyChange>): Promise<LiveKey>
  /** Gives the key a new text; the old one fails from the next request on. */
  rotate(requester: Requester, id: string): Promise<Issued>
  /** Deletes the key and all keys below it. */
  remove(requester: Requester, id: string): Promise<void>
}

const chainLengthMax = 8

/** Creates the administration. */
export function createKeyAdministration(deps: KeyAdministrationDeps): KeyAdministration {
  const { ring, keyStore, workspaces, exclusively, secretBox } = deps

  const get = (requester: Requester, id: string) => visibleKey(ring, requester, id)
  const selfOf = ({ principal }: Requester) => ring.withId(principal.keyId)

  return {
    list(requester, workspace) {
      const workspaceId = workspaces.choose(requester.principal, workspace)
      return [...ring.all()]
        .filter((key) => key.workspaceId === workspaceId)
        .sort((one, other) => one.settings.createdAt - other.settings.createdAt)
    },

    get,

    create: (requester, draft) =>
      exclusively(async () => {
        const workspaceId = workspaces.choose(requester.principal, draft.workspaceId)
        const self = isAdmin(requester.principal) ? undefined : selfOf(requester)
        const parent = findParent(deps, { workspaceId, self }, draft.parentId)
        requireHolds(requester, draft.scopes)
        requireParentHolds(parent, draft.scopes)
        const text = newKeyText()
        const settings = newSettings(deps, { workspaceId, parent, text }, draft)
        return { key: await keyStore.insert(settings, requester), text }
      }),

    update: (requester, id, change) =>
      exclusively(async () => {
        const target = get(requester, id)
        const onlyName = Object.keys(change).every((field) => field === 'name')
        const intent = onlyName ? 'rename' : 'configure'
        requireMayChange(requester, { self: selfOf(requester), target }, intent)
        if (change.scopes) {
          requireHolds(requester, change.scopes)
          requireParentHolds(target.parent, change.scopes)
        }
        const changed = toSettings(deps, target, change)
        return keyStore.replace(target, changed, { ...requester, action: 'key.update' })
      }),

    rotate: (requester, id) =>
      exclusively(async () => {
        const target = get(requester, id)
        requireMayChange(requester, { self: selfOf(requester), target }, 'rotate')
        const text = newKeyText()
        const isShown = target.settings.sealedText !== null
        const sealedText = isShown ? secretBox.seal(text, sealedContext(id)) : null
        const change = { ...digestKeyText(text), sealedText }
        const key = await keyStore.replace(target, change, { ...requester, action: 'key.rotate' })
        return { key, text }
      }),

    remove: (requester, id) =>
      exclusively(async () => {
        const target = get(requester, id)
        for (const key of target.subtree()) {
          requireMayChange(requester, { self: selfOf(requester), target: key }, 'delete')
        }
        await keyStore.remove(target, requester)
      }),
  }
}

function visibleKey(ring: KeyRing, requester: Requester, id: string): LiveKey {
  const key = ring.withId(id)
  if (!key || !maySee(requester.principal, key.workspaceId)) throw notFound('key')
  return key
}

interface Place {
  readonly workspaceId: string
  /** The key of a requester who is no admin. */
  readonly self: LiveKey | undefined
}

/** The parent a new key gets. One that is made by a key with limits stays below it, whether it says so or not. */
function findParent(
  { ring }: KeyAdministrationDeps,
  { workspaceId, self }: Place,
  asked: string | null | undefined,
): LiveKey | undefined {
  if (asked === undefined) return self && isBounded(self) ? self : undefined
  const parent = asked === null ? undefined : ring.withId(asked)
  if (asked !== null && parent?.workspaceId !== workspaceId) throw notFound('parent key')
  if (self) requireBelow(self, parent)
  if (chainLength(parent) >= chainLengthMax) {
    throw invalid('parentId', `A chain of keys has at most ${chainLengthMax} of them.`)
  }
  return parent
}

function requireParentHolds(parent: LiveKey | undefined, scopes: readonly Scope[]): void {
  const lacking = parent ? scopes.filter((scope) => !hasScope(parent, scope)) : []
  if (lacking.length === 0) return
  throw invalid('scopes', `The parent key does not have the scope ${lacking.join(', ')}.`)
}

function newSettings(
  deps: KeyAdministrationDeps,
  { workspaceId, parent, text }: { workspaceId: string; parent: LiveKey | undefined; text: string },
  draft: z.output<typeof api.NewKey>,
): KeySettings {
  const { defaultProvider, budget, workspaceId: _asked, parentId: _parentAsked, ...plain } = draft
  const now = deps.clock.now()
  return {
    ...plain,
    ...digestKeyText(text),
    id: newId('key'),
    workspaceId,
    parentId: parent?.keyId ?? null,
    sealedText: null,
    budget: toNanoBudget(budget, noBudget),
    defaultProviderId: providerId(deps, workspaceId, defaultProvider),
    createdAt: now,
    updatedAt: now,
  }
}

function toSettings(
  deps: KeyAdministrationDeps,
  { settings, workspaceId }: LiveKey,
  { defaultProvider, budget, ...change }: z.output<typeof api.KeyChange>,
): Partial<KeySettings> {
  const plain = Object.fromEntries(
    Object.entries(change).filter(([, value]) => value !== undefined),
  ) as Partial<KeySettings>
  return {
    ...plain,
    ...(budget && { budget: toNanoBudget(budget, settings.budget) }),
    ...(defaultProvider !== undefined && {
      defaultProviderId: providerId(deps, workspaceId, defaultProvider),
    }),
  }
}

function providerId(
  { findProvider }: KeyAdministrationDeps,
  workspaceId: string,
  idOrName: string | null,
): string | null {
  if (idOrName === null) return null
  const provider = findProvider(workspaceId, idOrName)
  if (!provider) throw invalid('defaultProvider', 'There is no such provider.')
  return provider.id
}

function chainLength(key: LiveKey | undefined): number {
  return key ? 1 + chainLength(key.parent) : 0
}

function invalid(path: string, message: string): AppError {
  return new AppError('invalid_request', message, { param: path, issues: [{ path, message }] })
}
