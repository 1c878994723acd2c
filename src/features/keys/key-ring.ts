import { LiveKey } from './live-key.ts'
import type { KeySettings } from './key-settings.ts'

/** All keys, in memory, by what they are looked up with. */
export interface KeyRing {
  /** Adds keys, those above before those below whatever their order. Returns those whose parent does not exist. */
  add(keys: readonly KeySettings[]): KeySettings[]
  /** Gives a key new settings; id, workspace and parent stay. */
  replace(key: LiveKey, settings: KeySettings): void
  /** Takes a key and all keys below it out; returns them. Each is unusable from then on for whoever holds it. */
  remove(key: LiveKey): LiveKey[]
  /** By SHA-256 of the text, lower-case hex. */
  withHash(hash: string): LiveKey | undefined
  withId(id: string): LiveKey | undefined
  all(): MapIterator<LiveKey>
}

/** Creates an empty key ring. */
export function createKeyRing(): KeyRing {
  const byHash = new Map<string, LiveKey>()
  const byId = new Map<string, LiveKey>()

  function place(settings: KeySettings): void {
    const parent = settings.parentId === null ? undefined : byId.get(settings.parentId)
    const key = new LiveKey(settings, parent)
    byId.set(key.keyId, key)
    byHash.set(settings.hash, key)
  }

  return {
    add(keys) {
      let waiting = [...keys]
      let placed = true
      while (placed) {
        const [ready, rest] = partition(waiting, ({ parentId }) => !parentId || byId.has(parentId))
        for (const settings of ready) place(settings)
        waiting = rest
        placed = ready.length > 0
      }
      return waiting
    },
    replace(key, settings) {
      byHash.delete(key.settings.hash)
      byHash.set(settings.hash, key)
      key.settings = settings
      key.refresh()
    },
    remove(key) {
      const gone = [...key.subtree()]
      key.parent?.children.delete(key)
      for (const each of gone) {
        byId.delete(each.keyId)
        byHash.delete(each.settings.hash)
        each.removed = true
      }
      key.refresh()
      return gone
    },
    withHash: (hash) => byHash.get(hash),
    withId: (id) => byId.get(id),
    all: () => byId.values(),
  }
}

function partition<Item>(items: readonly Item[], test: (item: Item) => boolean): [Item[], Item[]] {
  const passing: Item[] = []
  const failing: Item[] = []
  for (const item of items) (test(item) ? passing : failing).push(item)
  return [passing, failing]
}
