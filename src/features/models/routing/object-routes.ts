import { LRUCache } from 'lru-cache'
import type { Clock } from '../../../lib/clock.ts'
import type { Log } from '../../../lib/log.ts'
import { createBatchWriter } from '../../../store/batch-writer.ts'
import type { UpstreamObjectTable } from '../../../store/schema.ts'
import type { Store } from '../../../store/store.ts'

/**
 * Remembers which provider holds an object that a client made through us: a file, a batch, a stored response.
 * Disposing of it writes what waits; the store has to be open until then.
 */
export interface ObjectRoutes extends AsyncDisposable {
  /** Notes the holder of a new object. Costs no more than a look-up in memory; the row is written later. */
  remember(workspaceId: string, objectId: string, providerId: string): void
  /** Id of the provider that holds the object; undefined where that is not known. Asks the store only for what is not in memory. */
  holderOf(workspaceId: string, objectId: string): Promise<string | undefined>
  /** As `holderOf`, for the object named in a path below the base, such as `files/{id}/content`. */
  of(workspaceId: string, rest: string): Promise<string | undefined>
  /** Forgets stored responses that providers have forgotten, too. Happens once an hour by itself. */
  sweep(): Promise<void>
}

const objectIdCharsMax = 256
const rememberedMax = 20_000
const rowsMax = 20_000
const hourMs = 60 * 60 * 1000
/** Every call of the Responses API may leave an object, which OpenAI keeps for 30 days. */
const responseRetentionMs = 30 * 24 * hourMs

/** Creates the memory. */
export function createObjectRoutes(deps: { store: Store; clock: Clock; log: Log }): ObjectRoutes {
  const { store, clock, log } = deps
  const known = new LRUCache<string, string>({ max: rememberedMax })
  const writer = createBatchWriter<UpstreamObjectTable>({
    name: 'upstream objects',
    write: (rows) => writeRows(store, rows),
    rowsMax,
    flushRows: 200,
    flushMs: 250,
    log,
  })
  const timer = setInterval(() => {
    sweep().catch((err: unknown) => log.warn({ err }, 'old upstream objects could not be deleted'))
  }, hourMs)
  timer.unref()

  async function sweep(): Promise<void> {
    await store.db
      .deleteFrom('upstreamObjects')
      .where('objectId', 'like', 'resp_%')
      .where('createdAt', '<', clock.now() - responseRetentionMs)
      .execute()
  }

  async function holderOf(workspaceId: string, objectId: string): Promise<string | undefined> {
    const key = keyOf(workspaceId, objectId)
    const remembered = known.get(key)
    if (remembered !== undefined || objectId.length > objectIdCharsMax) return remembered
    const row = await store.db
      .selectFrom('upstreamObjects')
      .select('providerId')
      .where('workspaceId', '=', workspaceId)
      .where('objectId', '=', objectId)
      .executeTakeFirst()
    if (row !== undefined) known.set(key, row.providerId)
    return row?.providerId
  }

  return {
    remember(workspaceId, objectId, providerId) {
      if (objectId === '' || objectId.length > objectIdCharsMax) return
      const key = keyOf(workspaceId, objectId)
      if (known.get(key) === providerId) return
      known.set(key, providerId)
      writer.push({ workspaceId, objectId, providerId, createdAt: clock.now() })
    },
    holderOf,
    async of(workspaceId, rest) {
      const objectId = rest.split('/', 2)[1]
      return objectId === undefined || objectId === '' ? undefined : holderOf(workspaceId, objectId)
    },
    sweep,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await writer[Symbol.asyncDispose]()
    },
  }
}

function keyOf(workspaceId: string, objectId: string): string {
  return `${workspaceId}\n${objectId}`
}

async function writeRows({ db }: Store, rows: readonly UpstreamObjectTable[]): Promise<void> {
  // PostgreSQL refuses to write the same row twice in one statement; the last word counts.
  const latest = new Map(rows.map((row) => [keyOf(row.workspaceId, row.objectId), row]))
  await db
    .insertInto('upstreamObjects')
    .values([...latest.values()])
    .onConflict((conflict) =>
      conflict
        .columns(['workspaceId', 'objectId'])
        .doUpdateSet((row) => ({ providerId: row.ref('excluded.providerId') })),
    )
    .execute()
}
