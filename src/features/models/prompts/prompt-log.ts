import type { Insertable, Kysely } from 'kysely'
import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { Log } from '../../../lib/log.ts'
import type { Author } from '../../../net/requester.ts'
import { createBatchWriter } from '../../../store/batch-writer.ts'
import type { PromptLogTable, Schema } from '../../../store/schema.ts'
import { deletePrompts, readPrompts } from './prompt-log-rows.ts'
import type { PromptMatch, PromptRow } from './prompt-log-rows.ts'
import { maskSecrets } from './secret-patterns.ts'

/** So much is kept of a request, and so much of its answer. */
const sideLengthMax = 64 * 1024

/** What is read beyond that, so that a credential across the end is still known for one. */
const marginLength = 4 * 1024

const sweepIntervalMs = 60 * 60 * 1000
const dayMs = 24 * 60 * 60 * 1000

/** One exchange, as it is to be remembered. */
export interface PromptEntry {
  readonly workspaceId: string
  readonly keyId: string
  readonly requestId: string
  readonly model: string
  readonly request: Uint8Array
  readonly response: Uint8Array
}

/** What the log is made with. */
export interface PromptLogDependencies {
  readonly db: Kysely<Schema>
  readonly clock: Clock
  readonly log: Log
  /** Credentials of the configured providers, masked wherever they occur. */
  readonly secrets: Live<readonly string[]>
}

/** Remembers prompts and answers of the keys that asked for it. Disposing of it writes what waits. */
export interface PromptLog extends AsyncDisposable {
  /** Masks credentials, cuts each side to 64 KiB and queues the row. Never waits, never throws. */
  record(entry: PromptEntry): void
  /** How many bytes of a side are worth keeping for `record`. */
  readonly sideBytesMax: number
  /** The newest matching rows, at most `rowsMax`; below the id `before` where one is given. */
  read(
    match: PromptMatch,
    page: { before: number | undefined; rowsMax: number },
  ): Promise<PromptRow[]>
  /** Deletes the matching rows and leaves a trace in the audit. Returns how many there were. */
  remove(match: PromptMatch, author: Author): Promise<number>
  /** Deletes rows older than the retention; also done by itself, hourly. */
  sweep(): Promise<void>
  flush(): Promise<void>
  readonly dropped: number
  readonly queued: number
}

/** Creates the log over the table `promptLog`. */
export function createPromptLog(
  { db, clock, log, secrets }: PromptLogDependencies,
  config: Live<{ readonly retentionDays: number }>,
): PromptLog {
  const writer = createBatchWriter<Insertable<PromptLogTable>>({
    name: 'prompt log',
    write: async (rows) => {
      await db
        .insertInto('promptLog')
        .values([...rows])
        .execute()
    },
    // At 128 KiB a row this bounds the memory, not the number of requests.
    rowsMax: 256,
    flushRows: 32,
    flushMs: 500,
    log,
  })

  async function sweep(): Promise<void> {
    const before = clock.now() - config().retentionDays * dayMs
    await db.deleteFrom('promptLog').where('at', '<', before).execute()
  }

  const timer = setInterval(() => {
    sweep().catch((error: unknown) =>
      log.warn({ err: error }, 'prompt log: cannot delete old rows'),
    )
  }, sweepIntervalMs).unref()

  return {
    record({ request, response, ...columns }) {
      const known = secrets()
      writer.push({
        at: clock.now(),
        ...columns,
        request: readable(request, known),
        response: readable(response, known),
      })
    },
    sideBytesMax: sideLengthMax + marginLength,
    read: (match, page) => readPrompts(db, match, page),
    remove: (match, author) => deletePrompts(db, match, author),
    sweep,
    flush: () => writer.flush(),
    get dropped() {
      return writer.dropped
    },
    get queued() {
      return writer.queued
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await writer[Symbol.asyncDispose]()
    },
  }
}

function readable(bytes: Uint8Array, known: readonly string[]): string {
  const kept = Buffer.from(
    bytes.buffer,
    bytes.byteOffset,
    Math.min(bytes.byteLength, sideLengthMax + marginLength),
  )
  if (kept.subarray(0, 1024).includes(0)) return `[binary, ${bytes.byteLength} bytes]`
  // PostgreSQL takes no NUL in a text.
  const masked = maskSecrets(kept.toString().replaceAll('\0', '\uFFFD'), known)
  if (kept.length <= sideLengthMax) return masked
  // Masking shortens, so counting from the front could let the end of the margin in, where half a credential may be.
  return `${masked.slice(0, Math.min(sideLengthMax, masked.length - marginLength))}…`
}
