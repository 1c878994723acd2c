import type { z } from 'zod'
import type { ServiceFilter } from '../../../protocol/api/services.ts'
import { editJson } from '../wire/json-edit.ts'
import type { MemberEdit } from '../wire/json-edit.ts'
import type { ListedItem, ListKind, PublishedItem, PublishedList } from './catalogue.ts'

/** What may be shown of the lists of a service, and under which names. */
export interface CompiledFilter {
  /** Says whether the filter lets the entry through, by its name at the server. */
  shows(kind: ListKind, upstreamName: string): boolean
  /**
   * The list as clients see it, in the order of the server. Names in it are unique: what is not renamed keeps its name,
   * what is renamed to a taken one keeps its own or gets a number; of two entries that the server calls alike, the first
   * stays.
   */
  publish(kind: ListKind, items: readonly ListedItem[]): PublishedList
}

/** The rules for one kind of list. */
interface Rules {
  readonly show: ReadonlySet<string> | null
  readonly hide: ReadonlySet<string>
  readonly rename: ReadonlyMap<string, string>
  readonly describe: ReadonlyMap<string, string>
}

/** Makes a filter ready for use. */
export function compileFilter(filter: z.output<typeof ServiceFilter>): CompiledFilter {
  const resources = toRules({ ...filter.resources, rename: {}, describe: {} })
  const rules: Readonly<Record<ListKind, Rules>> = {
    tools: toRules(filter.tools),
    prompts: toRules(filter.prompts),
    resources,
    templates: resources,
  }
  return {
    shows: (kind, upstreamName) => isShown(rules[kind], upstreamName),
    publish: (kind, items) => publish(rules[kind], items),
  }
}

/** A list of which nothing is held back or changed. */
function toPublishedList(items: readonly PublishedItem[]): PublishedList {
  return {
    items,
    byName: new Map(items.map((item) => [item.name, item])),
    byUpstreamName: new Map(items.map((item) => [item.upstreamName, item])),
  }
}

function toRules(filter: {
  readonly show: readonly string[] | null
  readonly hide: readonly string[]
  readonly rename: Readonly<Record<string, string>>
  readonly describe: Readonly<Record<string, string>>
}): Rules {
  return {
    show: filter.show === null ? null : new Set(filter.show),
    hide: new Set(filter.hide),
    rename: new Map(Object.entries(filter.rename)),
    describe: new Map(Object.entries(filter.describe)),
  }
}

function isShown({ show, hide }: Rules, name: string): boolean {
  return !hide.has(name) && show?.has(name) !== false
}

function publish(rules: Rules, items: readonly ListedItem[]): PublishedList {
  const shown = new Map<string, ListedItem>()
  for (const item of items) {
    if (isShown(rules, item.name) && !shown.has(item.name)) shown.set(item.name, item)
  }
  const names = chooseNames([...shown.keys()], rules.rename)
  return toPublishedList(
    [...shown.values()].map((item) => toPublished(item, names.get(item.name) ?? item.name, rules)),
  )
}

/** Published names by upstream names, all different. */
function chooseNames(
  upstreamNames: readonly string[],
  rename: ReadonlyMap<string, string>,
): Map<string, string> {
  const chosen = new Map<string, string>()
  const taken = new Set(upstreamNames.filter((name) => (rename.get(name) ?? name) === name))
  for (const name of upstreamNames) {
    const wanted = rename.get(name) ?? name
    if (wanted === name) continue
    const free = freeName([wanted, name], taken)
    taken.add(free)
    chosen.set(name, free)
  }
  return chosen
}

function freeName(wishes: readonly [string, string], taken: ReadonlySet<string>): string {
  const wish = wishes.find((name) => !taken.has(name))
  if (wish !== undefined) return wish
  let number = 2
  while (taken.has(`${wishes[1]}_${number}`)) number += 1
  return `${wishes[1]}_${number}`
}

function toPublished(item: ListedItem, name: string, { describe }: Rules): PublishedItem {
  const description = describe.get(item.name)
  const edits: MemberEdit[] = []
  if (name !== item.name) edits.push({ path: ['name'], json: JSON.stringify(name) })
  if (description !== undefined) {
    edits.push({ path: ['description'], json: JSON.stringify(description) })
  }
  const json =
    edits.length === 0 ? item.json : editJson(Buffer.from(item.json), edits).toString('utf8')
  return { name, upstreamName: item.name, json }
}
