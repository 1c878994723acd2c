import type { ListKind } from '../catalogue/catalogue.ts'
import type { ClientProfile } from '../relay/relay.ts'
import { editJson } from '../wire/json-edit.ts'
import { metaKeys } from '../wire/meta-keys.ts'
import type { MergedEntries, MergedEntry } from './merge-lists.ts'
import { startOf, writeCursor, type ListPosition, type Sealer } from './list-cursor.ts'
import { listMethods } from './member-list.ts'

/** Entries of one page. */
const pageEntries = 500

/** What a page is made of. */
export interface PageOptions {
  readonly kind: ListKind
  readonly profile: ClientProfile
  readonly sealer: Sealer
  /** What the cursor is good for, and nothing else. */
  readonly context: string
  /** undefined for the first page. */
  readonly position: ListPosition | undefined
}

/** The result of a list request: one page of the merged list. Of its entries only names are changed, where they have to be. */
export function makePage({ entries, omitted, ttlMs }: MergedEntries, options: PageOptions): string {
  const { kind, profile, sealer, context, position } = options
  const names = entries.map(({ name }) => name)
  const start = position === undefined ? 0 : startOf(names, position)
  const page = entries.slice(start, start + pageEntries)
  const offset = start + page.length
  const after = names[offset - 1]
  const members = [
    `${JSON.stringify(listMethods[kind].member)}:[${page.map(writeEntry).join(',')}]`,
  ]
  if (offset < entries.length && after !== undefined) {
    const cursor = writeCursor(sealer, { offset, after }, context)
    members.push(`"nextCursor":${JSON.stringify(cursor)}`)
  }
  if (omitted.length > 0) {
    members.push(`"_meta":${JSON.stringify({ [metaKeys.omitted]: omitted })}`)
  }
  if (profile.era === 'modern') {
    members.push(`"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"private"`)
  }
  return `{${members.join(',')}}`
}

function writeEntry({ name, item }: MergedEntry): string {
  if (name === item.name) return item.json
  const edits = [{ path: ['name'] as const, json: JSON.stringify(name) }]
  return editJson(Buffer.from(item.json), edits).toString()
}
