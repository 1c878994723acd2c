import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { hasScope, type Scope } from '../../lib/principal.ts'
import { notFound, systemAuthor, type Author } from '../../net/requester.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import { lookUp } from './authenticate.ts'
import type { Exclusive } from './exclusive.ts'
import type { KeyRing } from './key-ring.ts'
import { blankKeySettings, type KeySettings } from './key-settings.ts'
import type { KeyStore } from './key-store.ts'
import { digestKeyText, keyTextLengthMin } from './key-text.ts'
import type { LiveKey } from './live-key.ts'
import type { Workspaces } from './workspaces.ts'

/** What keys with a text of the client’s choice need. */
export interface TextKeysDeps {
  readonly ring: KeyRing
  readonly keyStore: KeyStore
  readonly workspaces: Workspaces
  readonly exclusively: Exclusive
  readonly clock: Clock
  readonly secretBox: SecretBox
}

/** A key as the Doroseek settings contract writes it: the client chooses the text, which is also what it is known by. */
export interface TextKeyDraft {
  readonly workspaceId: string
  /** 16 to 128 visible ASCII characters. */
  readonly text: string
  readonly name: string
  readonly enabled: boolean
  /** The key under which this one is made. */
  readonly parentId: string
}

/** A key together with its text. */
interface TextKey {
  readonly keyId: string
  readonly text: string
  readonly name: string
  readonly enabled: boolean
  readonly parentId: string | null
  readonly createdAt: number
  readonly updatedAt: number
}

/** Keys of the Doroseek settings contract: they have to be shown again, so their text is stored sealed. */
export interface TextKeys {
  /**
   * Makes a key with that text, or changes name and state of the one that has it.
   * Throws `invalid_request` for a text that could be guessed, `conflict` for one that is in use elsewhere, `not_found`
   * for a parent of another workspace.
   */
  put(draft: TextKeyDraft, author: Author): Promise<void>
  /** Does nothing when the workspace has no such key. */
  remove(workspaceId: string, text: string, author: Author): Promise<void>
  /** Newest first. */
  list(workspaceId: string): TextKey[]
  /**
   * Creates a workspace whose settings id, and first key, is `listId`; returns that key. When there is one already, it is
   * returned as it is. Throws `invalid_request` for an id that could be guessed.
   */
  openWorkspace(listId: string, author?: Author): Promise<LiveKey>
}

/** What the original lets any key of a list do. */
const textKeyScopes: readonly Scope[] = [
  'models:use',
  'services:use',
  'tunnels:register',
  'rooms:join',
  'files:write',
]

const textPattern = new RegExp(`^[\\x21-\\x7e]{${keyTextLengthMin},128}$`)

/** Creates the functions. */
export function createTextKeys(deps: TextKeysDeps): TextKeys {
  const { ring, keyStore, workspaces, exclusively, secretBox } = deps
  /** So that two requests for the same new list do not both create it. */
  const opening = new Map<string, Promise<LiveKey>>()

  async function open(listId: string, author: Author): Promise<LiveKey> {
    requireText(listId)
    const present = lookUp(ring, listId)
    if (present) return present
    // Its id is not the list id: that is a key, and no key is to be found in the database.
    const { id } = await workspaces.create(author, 'Open workspace')
    const settings = newTextKey(deps, { text: listId, name: 'Settings', workspaceId: id })
    const scopes: readonly Scope[] = [...textKeyScopes, 'manage']
    return exclusively(() => keyStore.insert({ ...settings, sealedText: null, scopes }, author))
  }

  return {
    put: (draft, author) =>
      exclusively(async () => {
        const { workspaceId, text, name, enabled } = draft
        requireText(text)
        const parent = ring.withId(draft.parentId)
        if (parent?.workspaceId !== workspaceId) throw notFound('parent key')
        const key = lookUp(ring, text)
        if (!key) {
          const settings = newTextKey(deps, { text, name, workspaceId })
          const scopes = textKeyScopes.filter((scope) => hasScope(parent, scope))
          await keyStore.insert({ ...settings, scopes, enabled, parentId: parent.keyId }, author)
          return
        }
        if (!isTextKeyOf(key, workspaceId)) {
          throw new AppError('conflict', 'The text of this key is in use.')
        }
        if (key.settings.name === name && key.settings.enabled === enabled) return
        await keyStore.replace(key, { name, enabled }, { ...author, action: 'key.update' })
      }),

    remove: (workspaceId, text, author) =>
      exclusively(async () => {
        const key = lookUp(ring, text)
        if (key && isTextKeyOf(key, workspaceId)) await keyStore.remove(key, author)
      }),

    list: (workspaceId) =>
      [...ring.all()]
        .filter((key) => isTextKeyOf(key, workspaceId))
        .map(({ keyId, settings }) => {
          const { name, enabled, parentId, createdAt, updatedAt } = settings
          const text = secretBox.open(settings.sealedText ?? '', sealedContext(keyId))
          return { keyId, text, name, enabled, parentId, createdAt, updatedAt }
        })
        .sort((one, other) => other.createdAt - one.createdAt),

    openWorkspace(listId, author = systemAuthor) {
      const started = opening.get(listId)
      if (started) return started
      const opened = open(listId, author).finally(() => opening.delete(listId))
      opening.set(listId, opened)
      return opened
    },
  }
}

/** What the sealed text of a key is bound to. */
export function sealedContext(keyId: string): string {
  return `keys/${keyId}/text`
}

function isTextKeyOf(key: LiveKey, workspaceId: string): boolean {
  return key.workspaceId === workspaceId && key.settings.sealedText !== null
}

function newTextKey(
  { clock, secretBox }: TextKeysDeps,
  { text, ...named }: { text: string; name: string; workspaceId: string },
): KeySettings {
  const id = newId('key')
  const blank = blankKeySettings({ ...named, ...digestKeyText(text), id }, clock.now())
  const sealedText = secretBox.seal(text, sealedContext(id))
  // The contract carries keys in the query, where its clients can set no header.
  return { ...blank, sealedText, allowQuery: true }
}

function requireText(text: string): void {
  if (textPattern.test(text)) return
  const message = `A key is ${keyTextLengthMin} to 128 visible characters.`
  throw new AppError('invalid_request', message)
}
