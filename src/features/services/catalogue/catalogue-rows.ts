import { createHash } from 'node:crypto'
import type { Compilable, Kysely, Selectable } from 'kysely'
import { z } from 'zod'
import type { Schema, ServiceCatalogueTable } from '../../../store/schema.ts'
import type { ServerHello } from '../upstream/connection.ts'
import type { FetchedCatalogue } from './catalogue.ts'
import { ApprovedLists, mapLists } from './quarantine.ts'
import type { Lists } from './quarantine.ts'

/** Everything that is kept of one service. */
export interface KnownCatalogue {
  readonly fetched: FetchedCatalogue
  readonly revision: string
  /** Epoch ms. */
  readonly fetchedAt: number
  /** Of `fetched`, for noticing a change. */
  readonly hash: string
  /** undefined where the service is not pinned. */
  readonly approved: ApprovedLists | undefined
}

type CatalogueRow = Selectable<ServiceCatalogueTable>

const StoredObject = z.record(z.string(), z.unknown())
const StoredHello = z.object({
  era: z.enum(['legacy', 'modern']),
  protocolVersion: z.string(),
  capabilities: StoredObject,
  serverInfo: StoredObject,
  instructions: z.string().optional(),
  result: StoredObject,
})
const StoredList = z.array(z.tuple([z.string(), z.string()]))
const StoredLists = z.strictObject({
  tools: StoredList,
  prompts: StoredList,
  resources: StoredList,
  templates: StoredList,
})

/** Reads every catalogue. */
export function readCatalogueRows(db: Kysely<Schema>): Promise<CatalogueRow[]> {
  return db.selectFrom('serviceCatalogues').selectAll().execute()
}

/** Reads one row. Throws where it was not written by us. */
export function toKnownCatalogue(row: CatalogueRow): KnownCatalogue {
  const hello = StoredHello.parse(JSON.parse(row.helloJson))
  return {
    fetched: {
      hello: { ...hello, instructions: hello.instructions },
      lists: readLists(row.listsJson),
    },
    revision: row.revision,
    fetchedAt: row.fetchedAt,
    hash: row.hash,
    approved:
      row.approvedJson === null ? undefined : new ApprovedLists(readLists(row.approvedJson)),
  }
}

/** The statement that keeps a catalogue, in place of an earlier one. Fails with `conflict` where the service is gone. */
export function keepCatalogue(
  db: Kysely<Schema>,
  serviceId: string,
  known: KnownCatalogue,
): Compilable & { execute(): Promise<unknown> } {
  const columns = {
    revision: known.revision,
    ...toTexts(known.fetched),
    approvedJson: known.approved === undefined ? null : writeLists(known.approved.lists),
    hash: known.hash,
    fetchedAt: known.fetchedAt,
  }
  return db
    .insertInto('serviceCatalogues')
    .values({ serviceId, ...columns })
    .onConflict((conflict) => conflict.column('serviceId').doUpdateSet(columns))
}

/** SHA-256 of everything that was fetched, lower-case hex. */
export function hashFetched(fetched: FetchedCatalogue): string {
  const { helloJson, listsJson } = toTexts(fetched)
  return createHash('sha256').update(helloJson).update('\0').update(listsJson).digest('hex')
}

function toTexts({ hello, lists }: FetchedCatalogue): { helloJson: string; listsJson: string } {
  return { helloJson: JSON.stringify(hello satisfies ServerHello), listsJson: writeLists(lists) }
}

function writeLists(lists: Lists): string {
  return JSON.stringify(mapLists((kind) => lists[kind].map(({ name, json }) => [name, json])))
}

function readLists(text: string): Lists {
  const stored = StoredLists.parse(JSON.parse(text))
  return mapLists((kind) => stored[kind].map(([name, json]) => ({ name, json })))
}
