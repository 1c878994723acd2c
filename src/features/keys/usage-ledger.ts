import type { Insertable, Transaction } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { createBatchWriter, type BatchWriter } from '../../store/batch-writer.ts'
import type { Schema, UsageTable } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import { createDailySums } from './daily-sums.ts'
import { createExclusive } from './exclusive.ts'
import { toUsageRow, type UsageRecord } from './usage-record.ts'
import { deleteRowsBefore, readCosts, reassignSums, usageInserts } from './usage-store.ts'

/** How usage reaches the store. */
export interface UsageConfig {
  /** How often rows are written, ms. */
  readonly flushMs: number
  /** Rows that may wait; beyond it the oldest are dropped and counted. Daily sums are never dropped. */
  readonly queueRowsMax: number
  /** Days after which rows are deleted. Daily sums are kept. */
  readonly retentionDays: number
}

/** What the ledger needs. */
export interface LedgerDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

/** What was used: a row a request, and sums a day that last for ever and from which budgets are rebuilt. */
export interface UsageLedger extends AsyncDisposable {
  /** Takes a row; it is written soon. Never waits and never throws. */
  record(record: UsageRecord): void
  /** Resolves when everything recorded so far is in the store. */
  flush(): Promise<void>
  /**
   * Nano US dollars by key, of the days from each of `firstDays` (`YYYY-MM-DD`, `''` for all) on, what is not yet
   * written included. All are exact at the moment it resolves, which is when `meanwhile` is through, too.
   */
  costsByKey(
    firstDays: readonly string[],
    meanwhile?: () => Promise<void>,
  ): Promise<ReadonlyMap<string, number>[]>
  /**
   * Runs `work`, which deletes keys, in a transaction in which what they spent passes to their heir: nobody gets a
   * budget back by deleting the key that used it.
   */
  handOver(change: HandOver, work: (trx: Transaction<Schema>) => Promise<void>): Promise<void>
  /** Deletes rows older than the retention. Happens once an hour by itself. */
  sweep(): Promise<void>
  /** Rows dropped so far because the queue was full. */
  readonly dropped: number
  /** Rows that wait to be written. */
  readonly queued: number
}

/** Keys that go, and the key above them; null where there is none, and the sums stay under the old ids. */
interface HandOver {
  readonly keyIds: ReadonlySet<string>
  readonly heir: string | null
}

const flushRows = 500
const sweepRowsMax = 5_000
const sweepIntervalMs = 3_600_000
/** Soon after the start, for a process that never lives an hour; not at once, when there is enough to do. */
const firstSweepMs = 60_000
const heirsMax = 10_000
const dayMs = 86_400_000

/** Creates the ledger; disposing of it writes what is waiting. */
export function createUsageLedger(deps: LedgerDeps, config: Live<UsageConfig>): UsageLedger {
  return new Ledger(deps, config)
}

class Ledger implements UsageLedger {
  readonly #deps: LedgerDeps
  readonly #config: Live<UsageConfig>
  readonly #sums = createDailySums()
  readonly #exclusively = createExclusive()
  readonly #writer: BatchWriter<Insertable<UsageTable>>
  /** For the rows of calls that were under way when their key was deleted. Bounded, because such calls end. */
  readonly #heirs = new LRUCache<string, string>({ max: heirsMax })
  #sweeping: NodeJS.Timeout | undefined

  constructor(deps: LedgerDeps, config: Live<UsageConfig>) {
    const { log } = deps
    const { queueRowsMax: rowsMax, flushMs } = config()
    this.#deps = deps
    this.#config = config
    const write = (rows: readonly Insertable<UsageTable>[]) =>
      this.#exclusively(() => this.#write(rows))
    this.#writer = createBatchWriter({ name: 'usage', write, rowsMax, flushRows, flushMs, log })
    this.#sweepIn(firstSweepMs)
  }

  get dropped(): number {
    return this.#writer.dropped
  }

  get queued(): number {
    return this.#writer.queued
  }

  record(record: UsageRecord): void {
    const row = toUsageRow(record, this.#deps.clock.now())
    this.#sums.addRow({ ...row, keyId: this.#heirOf(row.keyId) })
    this.#writer.push(row)
  }

  flush(): Promise<void> {
    return this.#writer.flush()
  }

  costsByKey(
    firstDays: readonly string[],
    meanwhile?: () => Promise<void>,
  ): Promise<ReadonlyMap<string, number>[]> {
    // The ledger writes nothing meanwhile, so whatever is recorded after a query is found among the sums in memory.
    return this.#exclusively(async () => {
      const stored: Map<string, number>[] = []
      for (const day of firstDays) stored.push(await readCosts(this.#deps.store.db, day))
      await meanwhile?.()
      return stored.map((costs, at) => addCosts(costs, this.#sums.costByKey(firstDays[at] ?? '')))
    })
  }

  handOver({ keyIds, heir }: HandOver, work: (trx: Transaction<Schema>) => Promise<void>) {
    return this.#exclusively(async () => {
      await this.#deps.store.db.transaction().execute(async (trx) => {
        await work(trx)
        if (heir !== null) await reassignSums(trx, [...keyIds], heir)
      })
      if (heir === null) return
      this.#sums.reassign(keyIds, heir)
      for (const keyId of keyIds) this.#heirs.set(keyId, heir)
    })
  }

  async sweep(): Promise<void> {
    const { store, clock } = this.#deps
    const before = clock.now() - this.#config().retentionDays * dayMs
    // In pieces, so that other writes find their turn in between.
    let deleted = sweepRowsMax
    while (deleted >= sweepRowsMax) deleted = await deleteRowsBefore(store.db, before, sweepRowsMax)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#sweeping)
    await this.#writer[Symbol.asyncDispose]()
    // Sums are left without a row when their rows were dropped.
    if (this.#sums.size > 0) await this.#exclusively(() => this.#write([]))
  }

  #sweepIn(delayMs: number): void {
    const { log } = this.#deps
    this.#sweeping = setTimeout(() => {
      this.#sweepIn(sweepIntervalMs)
      this.sweep().catch((err: unknown) => log.warn({ err }, 'old usage rows were not deleted'))
    }, delayMs).unref()
  }

  async #write(rows: readonly Insertable<UsageTable>[]): Promise<void> {
    const { store } = this.#deps
    const sums = this.#sums.take()
    await store.batch(usageInserts(store.db, rows, sums)).catch((error: unknown) => {
      for (const sum of sums) this.#sums.add(sum)
      throw error
    })
  }

  #heirOf(keyId: string): string {
    const heir = this.#heirs.get(keyId)
    return heir === undefined ? keyId : this.#heirOf(heir)
  }
}

function addCosts(
  costs: Map<string, number>,
  more: ReadonlyMap<string, number>,
): Map<string, number> {
  for (const [keyId, cost] of more) costs.set(keyId, (costs.get(keyId) ?? 0) + cost)
  return costs
}
