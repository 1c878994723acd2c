/** Says whether a name, as the client sent it, is on the list. */
export type AllowList = (name: string) => boolean

/**
 * Compiles a list of exact names and `prefix*` (`*` alone for everything); null allows everything.
 * Entries only ever grant, so an exact name and a wildcard that cover the same name cannot contradict each other.
 */
export function compileAllowList(entries: readonly string[] | null): AllowList {
  if (entries === null) return () => true
  const exact = new Set(entries.filter((entry) => !entry.endsWith('*')))
  const prefixes = entries.filter((entry) => entry.endsWith('*')).map((entry) => entry.slice(0, -1))
  return (name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
}

/** The list that allows what both allow. */
export function intersectAllowLists(one: AllowList, other: AllowList): AllowList {
  return (name) => one(name) && other(name)
}
