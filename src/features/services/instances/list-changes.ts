import type { ListKind } from '../catalogue/catalogue.ts'

/** The notifications that tell of changed lists. */
export function changeMethods(kinds: ReadonlySet<ListKind>): ReadonlySet<string> {
  return new Set(
    [...kinds].map(
      (kind) => `notifications/${kind === 'templates' ? 'resources' : kind}/list_changed`,
    ),
  )
}

/** The lists that a notification of a server tells of. */
export function changedKinds(method: string): ReadonlySet<ListKind> {
  switch (method) {
    case 'notifications/tools/list_changed':
      return new Set(['tools'])
    case 'notifications/prompts/list_changed':
      return new Set(['prompts'])
    case 'notifications/resources/list_changed':
      return new Set(['resources', 'templates'])
    default:
      return new Set()
  }
}
