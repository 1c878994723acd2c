import type { PublishedItem } from '../catalogue/catalogue.ts'

/** Estimates how many tokens a definition takes in the context of a model. */
export type CountTokens = (item: PublishedItem) => number

/** Remembers estimates for as long as the definitions are in use. `count` takes JSON text. */
export function rememberTokens(count: (json: string) => number): CountTokens {
  const known = new WeakMap<PublishedItem, number>()
  return (item) => {
    const before = known.get(item)
    if (before !== undefined) return before
    const tokens = count(item.json)
    known.set(item, tokens)
    return tokens
  }
}
