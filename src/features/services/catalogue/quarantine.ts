import type { ListedItem, ListKind } from './catalogue.ts'
import { listKinds } from './catalogue.ts'
import { hashJson } from './canonical-json.ts'
import { diffDefinitions } from './definition-diff.ts'

/** The lists of a server. */
export type Lists = Readonly<Record<ListKind, readonly ListedItem[]>>

/** One definition that a server changed, added or removed since it was approved. */
export interface DefinitionChange {
  readonly kind: ListKind
  /** As the server calls it. */
  readonly name: string
  readonly status: 'changed' | 'new' | 'removed'
  /** JSON text; null where there was none. */
  readonly before: string | null
  readonly after: string | null
  /** SHA-256 of the new definition, by which an approval says what it has seen; null where it is gone. */
  readonly hash: string | null
  readonly diff: readonly string[]
}

/** What is to be approved: everything, or entries by name; with a hash, only if the definition still is the one that was seen. */
export type Approval =
  | { readonly all: true }
  | {
      readonly items: readonly {
        readonly kind: ListKind
        readonly name: string
        readonly hash?: string | undefined
      }[]
    }

/** The definitions of a pinned server that were approved. Immutable. */
export class ApprovedLists {
  readonly lists: Lists
  readonly #hashes: Readonly<Record<ListKind, ReadonlyMap<string, string>>>

  constructor(lists: Lists) {
    this.lists = lists
    this.#hashes = {
      tools: hashItems(lists.tools),
      prompts: hashItems(lists.prompts),
      resources: hashItems(lists.resources),
      templates: hashItems(lists.templates),
    }
  }

  /** Says whether the entry is exactly as it was approved. */
  has(kind: ListKind, item: ListedItem): boolean {
    return this.#hashes[kind].get(item.name) === hashJson(item.json)
  }

  /** What of the lists was approved. */
  filter(lists: Lists): Lists {
    return mapLists((kind) => lists[kind].filter((item) => this.has(kind, item)))
  }

  /** How the lists differ from what was approved. */
  changes(lists: Lists): DefinitionChange[] {
    return listKinds.flatMap((kind) => this.#changesOf(kind, lists[kind]))
  }

  /** How many entries differ from what was approved. */
  countChanges(lists: Lists): number {
    return listKinds.reduce((sum, kind) => {
      const names = new Set(lists[kind].map(({ name }) => name))
      const changed = lists[kind].filter((item) => !this.has(kind, item))
      const removed = this.lists[kind].filter(({ name }) => !names.has(name))
      return sum + changed.length + removed.length
    }, 0)
  }

  /** What is approved after somebody approved something of the lists. Entries that are gone are forgotten then. */
  approve(lists: Lists, approval: Approval): ApprovedLists {
    if ('all' in approval) return new ApprovedLists(lists)
    const chosen = Map.groupBy(approval.items, ({ kind }) => kind)
    return new ApprovedLists(
      mapLists((kind) => {
        const names = new Set(chosen.get(kind)?.map(({ name }) => name))
        const kept = this.lists[kind].filter(({ name }) => !names.has(name))
        return [...kept, ...lists[kind].filter(({ name }) => names.has(name))]
      }),
    )
  }

  #changesOf(kind: ListKind, items: readonly ListedItem[]): DefinitionChange[] {
    const approved = new Map(this.lists[kind].map((item) => [item.name, item.json]))
    const names = new Set(items.map(({ name }) => name))
    const changed = items
      .filter((item) => !this.has(kind, item))
      .map(({ name, json }) => toChange(kind, name, [approved.get(name) ?? null, json]))
    const removed = [...approved]
      .filter(([name]) => !names.has(name))
      .map(([name, json]) => toChange(kind, name, [json, null]))
    return [...changed, ...removed]
  }
}

/** Makes lists, kind by kind. */
export function mapLists<Entries>(make: (kind: ListKind) => Entries): Record<ListKind, Entries> {
  return {
    tools: make('tools'),
    prompts: make('prompts'),
    resources: make('resources'),
    templates: make('templates'),
  }
}

function hashItems(items: readonly ListedItem[]): Map<string, string> {
  return new Map(items.map(({ name, json }) => [name, hashJson(json)]))
}

function toChange(
  kind: ListKind,
  name: string,
  [before, after]: readonly [string | null, string | null],
): DefinitionChange {
  return {
    kind,
    name,
    status: before === null ? 'new' : after === null ? 'removed' : 'changed',
    before,
    after,
    hash: after === null ? null : hashJson(after),
    diff: diffDefinitions(before, after),
  }
}
