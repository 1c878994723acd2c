import type { Relay } from '../relay/relay.ts'
import type { ListedItem, ListKind } from '../catalogue/catalogue.ts'
import type { JsonObject } from '../wire/json.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import { resultOf } from '../wire/rpc-message.ts'
import { ask } from './ask.ts'
import { rawAt, rawItems } from './json-reading.ts'

/** How a list is asked for, and where in the result it stands. */
export interface ListMethod {
  readonly method: string
  readonly member: string
  /** The member of an entry that identifies it. */
  readonly name: string
}

/** The methods of all lists. */
export const listMethods: Readonly<Record<ListKind, ListMethod>> = {
  tools: { method: 'tools/list', member: 'tools', name: 'name' },
  prompts: { method: 'prompts/list', member: 'prompts', name: 'name' },
  resources: { method: 'resources/list', member: 'resources', name: 'uri' },
  templates: {
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    name: 'uriTemplate',
  },
}

/** A list with all its pages. */
export interface WholeList {
  readonly items: readonly ListedItem[]
  /** How long it may be kept: the least of all pages, 0 where one does not say. */
  readonly ttlMs: number
  /** What has been left out of it on the way: services behind the relay, as it says itself. */
  readonly omitted: readonly unknown[]
  /** How it ended: with the last page, at a cursor that had been there before, or at a limit of ours. */
  readonly end: 'complete' | 'stuck' | 'cut'
}

const pagesMax = 1000
const itemsMax = 10_000

/** Reads all pages of a list. Rejects as `ask` does. */
export async function readWholeList(
  relay: Relay,
  kind: ListKind,
  way: { readonly meta: JsonObject; readonly requestId: string; readonly signal: AbortSignal },
): Promise<WholeList> {
  const { method } = listMethods[kind]
  const items: ListedItem[] = []
  const omitted: unknown[] = []
  const cursors = new Set<string>()
  let ttlMs = Number.POSITIVE_INFINITY
  let cursor: string | undefined
  const list = (end: WholeList['end']): WholeList => ({ items, ttlMs, omitted, end })
  for (let page = 0; page < pagesMax; page += 1) {
    const at = cursor === undefined ? {} : { cursor }
    const params = { ...at, ...(Object.keys(way.meta).length > 0 && { _meta: way.meta }) }
    const { bytes, result } = await ask(relay, { ...way, method, params }).then((response) => ({
      bytes: response.bytes,
      result: resultOf(response),
    }))
    items.push(...itemsOf(bytes, result, kind))
    ttlMs = Math.min(ttlMs, ttlOf(result))
    omitted.push(...omittedOf(result))
    if (items.length > itemsMax) {
      items.length = itemsMax
      return list('cut')
    }
    const { nextCursor } = result
    if (typeof nextCursor !== 'string') return list('complete')
    if (cursors.has(nextCursor)) return list('stuck')
    cursors.add(nextCursor)
    cursor = nextCursor
  }
  return list('cut')
}

/** The entries of one page to the letter. What has no name cannot be asked for, and is left out. */
function itemsOf(bytes: Buffer, result: JsonObject, kind: ListKind): readonly ListedItem[] {
  const { member, name } = listMethods[kind]
  const parsed = result[member]
  const raw = rawAt(bytes, ['result', member])
  if (!Array.isArray(parsed) || raw === undefined) return []
  const texts = rawItems(raw)
  return parsed.flatMap((entry: unknown, index) => {
    const named = (entry as JsonObject | null)?.[name]
    const json = texts[index]
    return typeof named === 'string' && json !== undefined ? [{ name: named, json }] : []
  })
}

function ttlOf({ ttlMs }: JsonObject): number {
  return typeof ttlMs === 'number' && ttlMs > 0 ? Math.floor(ttlMs) : 0
}

function omittedOf(result: JsonObject): readonly unknown[] {
  const meta = result['_meta'] as JsonObject | null | undefined
  const omitted = meta?.[metaKeys.omitted]
  return Array.isArray(omitted) ? omitted : []
}
