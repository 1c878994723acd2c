import type { Secret } from '../../config/secret.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { systemAuthor } from '../../net/requester.ts'
import { lookUp } from './authenticate.ts'
import type { Exclusive } from './exclusive.ts'
import type { KeyRing } from './key-ring.ts'
import { blankKeySettings, type KeySettings } from './key-settings.ts'
import type { KeyStore } from './key-store.ts'
import { digestKeyText, newKeyText } from './key-text.ts'
import { defaultWorkspaceId } from './workspaces.ts'

/** What the admin key needs. */
export interface AdminKeyDeps {
  readonly ring: KeyRing
  readonly keyStore: KeyStore
  readonly exclusively: Exclusive
  readonly clock: Clock
}

/** The one row that stands for the admin key of the installation, whatever its text is at the moment. */
export const adminKeyId = 'key_admin'

/**
 * Sees to it that somebody can manage the installation. A configured text is made the admin key, in place of the one
 * before. Without it, and without any admin key that works, one is generated and its text returned, to be printed once.
 * Throws `invalid_config` when the configured text is that of another key.
 */
export async function ensureAdminKey(
  deps: AdminKeyDeps,
  configured: Secret | undefined,
): Promise<string | undefined> {
  const { ring, clock, exclusively } = deps
  return exclusively(async () => {
    if (configured) {
      await installAdminKey(deps, configured.reveal())
      return undefined
    }
    const now = clock.now()
    const isManaged = ring
      .all()
      .some((key) => key.scopes.has('admin') && key.standing(now) === 'usable')
    if (isManaged) return undefined
    const text = newKeyText()
    await installAdminKey(deps, text)
    return text
  })
}

async function installAdminKey(
  { ring, keyStore, clock }: AdminKeyDeps,
  text: string,
): Promise<void> {
  const holder = lookUp(ring, text)
  const key = ring.withId(adminKeyId)
  if (holder && holder !== key) {
    throw new AppError('invalid_config', 'The configured admin key is the text of another key.')
  }
  const power = { scopes: ['admin'], enabled: true, expiresAt: null } as const
  if (!key) {
    const place = { id: adminKeyId, workspaceId: defaultWorkspaceId, name: 'Admin key' }
    const blank = blankKeySettings({ ...place, ...digestKeyText(text) }, clock.now())
    await keyStore.insert({ ...blank, ...power }, systemAuthor)
  } else if (!holder || !isInPower(key.settings)) {
    const change = { ...digestKeyText(text), ...power }
    await keyStore.replace(key, change, { ...systemAuthor, action: 'key.rotate' })
  }
}

function isInPower({ scopes, enabled, expiresAt }: KeySettings): boolean {
  return scopes.includes('admin') && enabled && expiresAt === null
}
