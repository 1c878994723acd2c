import type { Caller } from '../caller.ts'
import type { ListKind, PublishedCatalogue, PublishedItem } from '../catalogue/catalogue.ts'
import { listSources } from '../instances/fetch-catalogue.ts'
import { isJsonObject, parseJson, textAt } from '../wire/json.ts'
import { editJson } from '../wire/json-edit.ts'
import type { Era } from '../wire/protocol-versions.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import { hasUsableHeaders } from './param-headers.ts'

/** What decides which part of a list a client gets. */
export interface ListQuestion {
  readonly kind: ListKind
  /** The era of the client. */
  readonly era: Era
  readonly service: string
  readonly caller: Pick<Caller, 'allowsTool'>
  readonly cursor: unknown
  /** How long a modern client may keep the answer, ms. */
  readonly ttlMs: number
}

/** How long a modern client may keep what it is told, where it hears of changes. */
export const listTtlMs = 30_000

const pageItems = 1000

/** The list that each method asks for. */
export const kindsByMethod: ReadonlyMap<string, ListKind> = new Map(
  Object.entries(listSources).map(([kind, { method }]) => [method, kind as ListKind]),
)

/** The result of a list method as JSON text. Throws RpcError for a cursor that is none of ours. */
export function listResult(catalogue: PublishedCatalogue, question: ListQuestion): string {
  const { kind, era, ttlMs } = question
  const items = visibleItems(catalogue, question)
  const start = parseCursor(question.cursor, items.length)
  const page = items.slice(start, start + pageItems).map(({ json }) => json)
  const end = start + pageItems
  const next = end < items.length ? `,"nextCursor":${JSON.stringify(formatCursor(end))}` : ''
  const modern =
    era === 'modern' ? `,"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"private"` : ''
  return `{"${listSources[kind].member}":[${page.join(',')}]${next}${modern}}`
}

function visibleItems(
  { lists, hello }: PublishedCatalogue,
  { kind, era, service, caller }: ListQuestion,
): readonly PublishedItem[] {
  const { items } = lists[kind]
  if (kind !== 'tools') return items
  const allowed = items.filter(({ name }) => caller.allowsTool(service, name))
  if (hello.era !== 'modern') return allowed
  const usable = allowed.filter(({ json }) => hasUsableHeaders(json))
  return era === 'modern' ? usable : usable.map(toLegacyTool)
}

/** Legacy revisions know structured content of objects alone. */
function toLegacyTool(item: PublishedItem): PublishedItem {
  const tool = parseJson(item.json)
  const schema = isJsonObject(tool) ? tool['outputSchema'] : undefined
  if (schema === undefined || textAt(schema, 'type') === 'object') return item
  const json = editJson(Buffer.from(item.json), [{ path: ['outputSchema'], json: undefined }])
  return { ...item, json: json.toString() }
}

const cursorPrefix = 'portico:'

function formatCursor(at: number): string {
  return Buffer.from(`${cursorPrefix}${at}`).toString('base64url')
}

function parseCursor(cursor: unknown, length: number): number {
  if (cursor === undefined || cursor === null) return 0
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : ''
  const at = text.startsWith(cursorPrefix) ? Number(text.slice(cursorPrefix.length)) : Number.NaN
  if (Number.isInteger(at) && at > 0 && at <= Math.max(length, at) && formatCursor(at) === cursor) {
    return at
  }
  throw new RpcError(rpcCodes.invalidParams, 'Invalid cursor')
}
