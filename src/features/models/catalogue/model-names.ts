import type { ModelEntry } from './provider.ts'

/** Says whether a name matches more than itself: it ends with `*`. */
export function isWildcard(name: string): boolean {
  return name.endsWith('*')
}

/** Puts the rest that a wildcard matched in place of the first `*` of `template`. */
export function expandWildcard(template: string, rest: string): string {
  const star = template.indexOf('*')
  return star === -1 ? template : template.slice(0, star) + rest + template.slice(star + 1)
}

/**
 * Reads a provider's model list: each element is `name`, or `alias@name`, which makes both selectable and sends `name`.
 * The first `@` with text on both sides divides; so `@vendor/m` is a name, and `a@@vendor/m` makes `a` stand for it.
 */
export function parseModelList(list: readonly string[]): ModelEntry[] {
  const entries: ModelEntry[] = []
  const add = (name: string, sends: string): void => {
    const known = entries.some((entry) => entry.name === name && entry.sends === sends)
    if (!known) entries.push(Object.freeze({ name, sends }))
  }
  for (const text of list) {
    const divider = text.indexOf('@', 1)
    if (divider === -1 || divider === text.length - 1) {
      add(text, text)
      continue
    }
    const real = text.slice(divider + 1)
    add(text.slice(0, divider), real)
    add(real, real)
  }
  return entries
}
