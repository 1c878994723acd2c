import type { z } from 'zod'
import type { ServiceFilter } from '../../../protocol/api/services.ts'
import type { ListedItem, ListKind, PublishedItem } from '../catalogue/catalogue.ts'
import { editJson, type MemberEdit } from '../wire/json-edit.ts'
import { compileUriTemplate, type UriMatcher } from './uri-template.ts'

/** The part of a bundle's filter that concerns one member, ready for use. */
export interface MemberFilter {
  /** The entry as the bundle shows it; undefined where it is hidden. */
  publish(kind: ListKind, item: ListedItem): PublishedItem | undefined
  /** Says whether a resource that no list names may be read. */
  allowsUri(uri: string): boolean
}

type FilterSettings = z.output<typeof ServiceFilter>
type Rules = Partial<FilterSettings['tools']> & Pick<FilterSettings['resources'], 'show' | 'hide'>

/** Compiles a filter; without one, everything is shown as it is. */
export function compileMemberFilter(settings: FilterSettings | undefined): MemberFilter {
  if (settings === undefined) return { publish: (_kind, item) => unchanged(item), allowsUri }
  const known = compiled.get(settings)
  if (known !== undefined) return known
  const filter = compile(settings)
  compiled.set(settings, filter)
  return filter
}

/** Settings are immutable, and used for as long as the bundle is not changed. */
const compiled = new WeakMap<FilterSettings, MemberFilter>()

function compile(settings: FilterSettings): MemberFilter {
  const { tools, prompts, resources } = settings
  const selections: Readonly<Record<ListKind, Selection>> = {
    tools: compileRules(tools),
    prompts: compileRules(prompts),
    resources: compileRules(resources),
    templates: compileRules(resources),
  }
  const hidden = matchersOf(resources.hide)
  const shown = resources.show === null ? null : matchersOf(resources.show)
  return {
    publish: (kind, item) => selections[kind](item),
    allowsUri: (uri) =>
      !hidden.some((matches) => matches(uri)) && (shown?.some((matches) => matches(uri)) ?? true),
  }
}

type Selection = (item: ListedItem) => PublishedItem | undefined

function compileRules({ show, hide, rename = {}, describe = {} }: Rules): Selection {
  const shown = show === null ? null : new Set(show)
  const hidden = new Set(hide)
  const names = new Map(Object.entries(rename))
  const descriptions = new Map(Object.entries(describe))
  return (item) => {
    if (hidden.has(item.name) || shown?.has(item.name) === false) return undefined
    const name = names.get(item.name)
    const description = descriptions.get(item.name)
    const edits: MemberEdit[] = []
    if (name !== undefined) edits.push({ path: ['name'], json: JSON.stringify(name) })
    if (description !== undefined)
      edits.push({ path: ['description'], json: JSON.stringify(description) })
    if (edits.length === 0) return unchanged(item)
    const json = editJson(Buffer.from(item.json), edits).toString()
    return { name: name ?? item.name, upstreamName: item.name, json }
  }
}

function unchanged({ name, json }: ListedItem): PublishedItem {
  return { name, upstreamName: name, json }
}

/** Every entry is a URI or a template; a URI is a template without expressions. */
function matchersOf(entries: readonly string[]): readonly UriMatcher[] {
  return entries.map((entry) => compileUriTemplate(entry) ?? ((uri) => uri === entry))
}

function allowsUri(): boolean {
  return true
}
