import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { createBatchQueue } from './batch-queue.ts'

/** How a batch writer writes, and when. */
export interface BatchWriterOptions<Row> {
  /** What the rows are, for the log. */
  readonly name: string
  /** Writes all rows or none. Rejects with `storage_failed` when trying again makes sense; any other error is the rows' own fault. */
  write(rows: readonly Row[]): Promise<void>
  /** Most rows waiting, beside the batch under way; above it the oldest are dropped. */
  readonly rowsMax: number
  /** This many rows are written at once, without waiting for the time. Also the size of the largest batch. */
  readonly flushRows: number
  /** Longest time a row waits for others before it is written, ms. */
  readonly flushMs: number
  /** Pause after a failure, doubled with each further one up to 10 s, ms. Default 250. */
  readonly retryMs?: number
  /** How long disposing of the writer tries to write what is left, ms. Default 5,000. */
  readonly closeTimeoutMs?: number
  readonly log: Log
}

/** A bounded queue in front of a table: taking a row costs no more than pushing it to an array. */
export interface BatchWriter<Row> extends AsyncDisposable {
  push(row: Row): void
  /** Rows lost since the start: pushed out of a full queue, refused by the database, or left over at the end. */
  readonly dropped: number
  /** Rows that wait or are being written. */
  readonly queued: number
  /** Starts writing at once; resolves when the queue is empty. */
  flush(): Promise<void>
}

const retryMsMax = 10_000
const closingRetryMs = 50

/**
 * Creates a writer for rows that a crash may lose but that must slow nothing down: usage, logs.
 * One batch is under way at a time, in the order of `push`. While the database is away rows are kept as long as there
 * is room. Disposing of the writer writes what is left, within the deadline.
 */
export function createBatchWriter<Row>(options: BatchWriterOptions<Row>): BatchWriter<Row> {
  const { name, retryMs = 250, closeTimeoutMs = 5000, log } = options
  const queue = createBatchQueue<Row>(options.rowsMax, options.flushRows)
  let refused = 0
  let state: 'open' | 'closing' | 'closed' = 'open'
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  let running: Promise<void> | undefined
  const pause = createPause()

  function start(): Promise<void> {
    clearTimeout(timer)
    clearImmediate(immediate)
    timer = immediate = undefined
    running ??= drain().finally(() => (running = undefined))
    return running
  }

  async function drain(): Promise<void> {
    let pauseMs = retryMs
    for (let batch = queue.take(); batch; batch = state === 'closed' ? undefined : queue.take()) {
      const kept = await writeOrKeep(batch, options, () => (refused += 1))
      queue.putBack(kept)
      const isAway = kept.length > 0
      if (isAway) await pause.wait(state === 'open' ? pauseMs : closingRetryMs)
      pauseMs = isAway ? Math.min(pauseMs * 2, retryMsMax) : retryMs
    }
  }

  async function close(): Promise<void> {
    state = 'closing'
    pause.end()
    await atMost(closeTimeoutMs, start())
    state = 'closed'
    pause.end()
    if (queue.size > 0) log.error({ rows: queue.size }, `${name}: ended with rows not written`)
    queue.clear()
  }

  return {
    push(row) {
      if (state !== 'open') {
        refused += 1
        return
      }
      queue.push(row)
      // Not at once: whoever pushes is in the middle of something that matters more.
      if (!running && queue.size >= options.flushRows)
        immediate ??= setImmediate(() => void start())
      // Set even while a batch is under way: the row may be one that it just missed.
      timer ??= setTimeout(() => void start(), options.flushMs).unref()
    },
    get dropped() {
      return queue.dropped + refused
    },
    get queued() {
      return queue.size
    },
    flush: () => start(),
    [Symbol.asyncDispose]: () => (state === 'open' ? close() : Promise.resolve()),
  }
}

/**
 * Writes the rows and resolves with those that are worth another try. A row that the database refuses is found by
 * halving, so that it takes no others along.
 */
async function writeOrKeep<Row>(
  rows: readonly Row[],
  options: BatchWriterOptions<Row>,
  onRefused: () => void,
): Promise<readonly Row[]> {
  const { name, log } = options
  const failure = await options.write(rows).then(() => undefined, toError)
  if (!failure) return []
  if (failure instanceof AppError && failure.code === 'storage_failed') {
    log.warn({ err: failure, rows: rows.length }, `${name}: cannot write now, trying again`)
    return rows
  }
  if (rows.length === 1) {
    onRefused()
    log.error({ err: failure }, `${name}: dropped a row that the database refuses`)
    return []
  }
  const half = Math.ceil(rows.length / 2)
  const kept = await writeOrKeep(rows.slice(0, half), options, onRefused)
  return [...kept, ...(await writeOrKeep(rows.slice(half), options, onRefused))]
}

/** A pause that can be cut short, and that keeps no process alive. */
function createPause() {
  let waking = new AbortController()
  return {
    async wait(ms: number): Promise<void> {
      await sleep(ms, undefined, { signal: waking.signal, ref: false }).catch(() => undefined)
    },
    end(): void {
      waking.abort()
      waking = new AbortController()
    },
  }
}

/** Resolves when `work` does, or when the time is up. */
async function atMost(timeoutMs: number, work: Promise<void>): Promise<void> {
  const settled = new AbortController()
  const deadline = sleep(timeoutMs, undefined, { signal: settled.signal }).catch(() => undefined)
  await Promise.race([work, deadline])
  settled.abort()
}

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('The write was refused.', { cause })
}
