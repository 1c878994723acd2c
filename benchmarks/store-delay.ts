/**
 * `node benchmarks/store-delay.ts [--report] [--quick]`: how much a store that is written at full speed delays the event
 * loop on which streams run. Exits 1 where it is too much, unless it only reports.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { usageInserts } from '../src/features/keys/usage-store.ts'
import { writeAudit } from '../src/store/audit.ts'
import { createBatchWriter } from '../src/store/batch-writer.ts'
import { openStore } from '../src/store/store.ts'
import type { Store } from '../src/store/store.ts'
import { formatFigure, isMet, spreadOf } from './statistics.ts'

/** Largest difference of the p99 with and without load, ms. */
const differenceMsMax = 2
const sliceMs = 2000
const editors = 4
/** As usage is written: batches of this size, the next one whenever the last one is through. */
const flushRows = 500

/** Measures in slices with and without load in turn, prints the figures, and says whether the limit is kept. */
export async function benchmarkStoreDelay({ quick }: { quick: boolean }): Promise<boolean> {
  await using scope = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-store-delay-'))
  scope.defer(() => rm(dataDir, { recursive: true, force: true }))
  const store = scope.use(await openStore({ dataDir }))

  await measure(() => writeUntilStopped(store))
  const rounds: Round[] = []
  for (let round = 0; round < (quick ? 3 : 12); round += 1) {
    const idle = await measure(undefined)
    const loaded = await measure(() => writeUntilStopped(store))
    rounds.push({ ...loaded, idleMs: idle.p99Ms })
  }

  const difference = {
    name: 'event-loop delay p99, added by a busy store',
    unit: 'ms',
    spread: spreadOf(rounds.map(({ p99Ms, idleMs }) => p99Ms - idleMs)),
    limit: differenceMsMax,
    detail: `${medianOf(rounds, 'idleMs')} → ${medianOf(rounds, 'p99Ms')} ms`,
  }
  const rowsPerSecond = spreadOf(rounds.map((round) => round.rowsPerSecond))
  console.log(formatFigure(difference))
  console.log(formatFigure({ name: 'rows written meanwhile', unit: '/s', spread: rowsPerSecond }))
  return isMet(difference)
}

interface Slice {
  readonly p99Ms: number
  readonly rowsPerSecond: number
}

interface Round extends Slice {
  readonly idleMs: number
}

type Load = () => { stop(): Promise<number> }

async function measure(startLoad: Load | undefined): Promise<Slice> {
  const load = startLoad?.()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await sleep(sliceMs)
  delay.disable()
  const rows = (await load?.stop()) ?? 0
  return { p99Ms: delay.percentile(99) / 1e6, rowsPerSecond: (rows * 1000) / sliceMs }
}

/** Writes usage in full batches, and changes of the control plane beside it, as fast as the store takes them. */
function writeUntilStopped(store: Store): ReturnType<Load> {
  const stopped = new AbortController()
  let rows = 0
  const count = (written: number) => (rows += written)
  const work = [
    writeUsage(store, stopped.signal, count),
    ...Array.from({ length: editors }, () => editWorkspace(store, stopped.signal, count)),
  ]
  return {
    async stop() {
      stopped.abort()
      await Promise.all(work)
      return rows
    },
  }
}

async function writeUsage(store: Store, signal: AbortSignal, count: (rows: number) => void) {
  await using writer = createBatchWriter<typeof usageRow>({
    name: 'usage',
    write: async (rows) => {
      await store.batch(usageInserts(store.db, rows, []))
      count(rows.length)
    },
    rowsMax: 2 * flushRows,
    flushRows,
    flushMs: 1000,
    log: { ...console, fatal: console.error },
  })
  while (!signal.aborted) {
    for (let row = 0; row < flushRows; row += 1) writer.push(usageRow)
    await writer.flush()
  }
}

async function editWorkspace(store: Store, signal: AbortSignal, count: (rows: number) => void) {
  while (!signal.aborted) {
    await store.db.transaction().execute(async (trx) => {
      const name = `n${Math.random()}`
      await trx.updateTable('workspaces').set({ name }).where('id', '=', 'default').execute()
      await writeAudit(trx, { ...auditEntry, after: { name } })
    })
    count(2)
  }
}

function medianOf(rounds: readonly Round[], column: keyof Round): string {
  return spreadOf(rounds.map((round) => round[column])).median.toFixed(2)
}

const auditEntry = {
  workspaceId: 'default',
  actor: 'system',
  action: 'workspace.update',
  targetType: 'workspace',
  targetId: 'default',
  requestId: 'r',
  ip: '127.0.0.1',
}

const usageRow = {
  at: 1,
  requestId: '0123456789abcdef',
  workspaceId: 'default',
  keyId: 'key_0123456789abcdef',
  route: 'chat/completions',
  modelAsked: 'gpt-5',
  providerId: 'prov_0123456789abcdef',
  modelUsed: 'gpt-5',
  status: 200,
  inputTokens: 100,
  outputTokens: 200,
  cachedTokens: 0,
  costNanoUsd: 1_000_000,
  usageSource: 'reported',
  abortedBy: null,
  attempts: 1,
  firstByteMs: 100,
  latencyMs: 1000,
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { report: { type: 'boolean' }, quick: { type: 'boolean' } },
  })
  const met = await benchmarkStoreDelay({ quick: values.quick ?? false })
  if (!met && !values.report) process.exitCode = 1
}
