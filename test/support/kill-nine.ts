import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { openStore } from '../../src/store/store.ts'

/** What came of killing writers. */
export interface KillReport {
  /** Changes that were acknowledged before the kill. */
  readonly acknowledged: number
  /** Of these, ids that were not there afterwards. */
  readonly lost: readonly string[]
  /** Ids of changes of which only the row, or only its audit row, was there. */
  readonly torn: readonly string[]
  /** Longest time to open the store after a kill, ms. */
  readonly openMsMax: number
}

const writer = new URL('./alias-writer.ts', import.meta.url).pathname
const killAfterMsMax = 150

/**
 * Kills a process that makes changes at a random moment, as often as `rounds` says, opens the store each time and
 * compares what is there with what was acknowledged. The database stays the same one throughout.
 * Throws when the store cannot be opened or is not intact.
 */
export async function killWriters(dataDir: string, rounds: number): Promise<KillReport> {
  const acknowledged: string[] = []
  let openMsMax = 0
  for (let round = 0; round < rounds; round += 1) {
    acknowledged.push(...(await killOneWriter(dataDir, `round${round}`)))
    const startedAt = performance.now()
    await using store = await openStore({ dataDir })
    openMsMax = Math.max(openMsMax, performance.now() - startedAt)
    const check = await sql<{ quick_check: string }>`pragma quick_check`.execute(store.db)
    if (check.rows[0]?.quick_check !== 'ok') throw new Error(JSON.stringify(check.rows))
  }

  await using store = await openStore({ dataDir })
  const rows = await store.db.selectFrom('aliases').select('id').execute()
  const audits = await store.db.selectFrom('audit').select('targetId').execute()
  const changes = new Set(rows.map(({ id }) => id))
  const records = new Set(audits.map(({ targetId }) => targetId))
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((id) => !changes.has(id)),
    torn: [...changes.symmetricDifference(records)],
    openMsMax,
  }
}

/** Resolves with the ids that the writer had printed when it died. */
async function killOneWriter(dataDir: string, prefix: string): Promise<string[]> {
  const child = spawn(process.execPath, [writer, '--dir', dataDir, '--prefix', prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  await sleep(Math.random() * killAfterMsMax)
  child.kill('SIGKILL')
  const [, signal] = await closed
  if (signal !== 'SIGKILL') throw new Error('The writer ended by itself.')
  // A line without its end was cut by the kill, and its id is not whole.
  return output.split('\n').slice(0, -1)
}
