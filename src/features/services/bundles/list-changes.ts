import { makeNotification, type RpcNotification } from '../wire/rpc-message.ts'

/** The lists that a server can say have changed; templates go with resources. */
export const changeKinds = ['tools', 'prompts', 'resources'] as const

/** One of these lists. */
export type ChangeKind = (typeof changeKinds)[number]

/** Changes that come close together. They are announced once for each list, a moment after the first. */
export interface ListChanges extends Disposable {
  add(kind: ChangeKind): void
}

const settleMs = 200

/** Collects changes and hands each list that changed to `announce`, 200 ms after the first change since the last time. */
export function createListChanges(announce: (kind: ChangeKind) => void): ListChanges {
  const changed = new Set<ChangeKind>()
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    timer = undefined
    const kinds = changeKinds.filter((kind) => changed.has(kind))
    changed.clear()
    for (const kind of kinds) announce(kind)
  }

  return {
    add(kind) {
      changed.add(kind)
      timer ??= setTimeout(flush, settleMs)
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

/** The list that a notification says has changed; undefined for any other notification. */
export function changedList({ method }: RpcNotification): ChangeKind | undefined {
  return changeKinds.find((kind) => method === methodOf(kind))
}

/** Makes the notification that a list has changed. */
export function makeListChanged(kind: ChangeKind): RpcNotification {
  return makeNotification(methodOf(kind))
}

function methodOf(kind: ChangeKind): string {
  return `notifications/${kind}/list_changed`
}
