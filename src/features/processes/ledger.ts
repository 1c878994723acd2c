import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../../lib/log.ts'
import { createPrivateFolder } from '../../store/data-folder.ts'
import { createProcessTableReader, hasProcessTable, readBootId } from './process-table.ts'
import type { ProcessTableReader } from './process-table.ts'
import { createProcessTree } from './process-tree.ts'

/** What is known of a run; also the content of its file. */
const LedgerEntry = z.object({
  id: z.string(),
  owner: z.string(),
  bootId: z.string().nullable(),
  pid: z.number().nullable(),
  /** Clock ticks since the start of the machine: a pid alone may be somebody else’s by now. */
  startTicks: z.number().nullable(),
})
type LedgerEntry = z.output<typeof LedgerEntry>

/**
 * Keeps on disk which runs there are, one file a run named after its marker, so that the next start finds what this one
 * leaves behind when it is killed.
 */
export interface Ledger {
  /** Notes a run that is about to begin, so that it is found even if we die in the middle of it. */
  begin(marker: string, run: Pick<LedgerEntry, 'id' | 'owner'>): Promise<void>
  /** Adds what is known once the run has begun. */
  complete(marker: string, run: Omit<LedgerEntry, 'bootId'>): Promise<void>
  /** Forgets a run of which nobody is left. */
  remove(marker: string): Promise<void>
}

const graceMs = 1_000
const suffix = '.json'

/**
 * Opens the ledger in `folder`, and ends whatever the last process that had it left running. Only what matches is
 * touched: a process with the marker of an entry, or with its pid and start time on the same run of the machine.
 */
export async function openLedger(folder: string, log: Log): Promise<Ledger> {
  createPrivateFolder(folder)
  await sweep(folder, log)
  const bootId = readBootId() ?? null
  const fileOf = (marker: string) => join(folder, marker + suffix)
  // Written in place: whoever finds half of it still has the marker. A full disk must not keep services down.
  const warn = (err: unknown) => log.warn({ err }, 'the ledger of programs could not be written')
  const write = (marker: string, entry: LedgerEntry) =>
    writeFile(fileOf(marker), JSON.stringify(entry), { mode: 0o600 }).catch(warn)
  return {
    begin: (marker, run) => write(marker, { ...run, bootId, pid: null, startTicks: null }),
    complete: (marker, run) => write(marker, { ...run, bootId }),
    remove: (marker) => rm(fileOf(marker), { force: true }).catch(warn),
  }
}

async function sweep(folder: string, log: Log): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(suffix))
  const reader = createProcessTableReader(0)
  await Promise.all(files.map((name) => endLeftover(join(folder, name), { reader, log })))
}

async function endLeftover(
  file: string,
  { reader, log }: { readonly reader: ProcessTableReader; readonly log: Log },
): Promise<void> {
  const marker = basename(file, suffix)
  const entry = parseEntry(await readFile(file, 'utf8'))
  const isOfThisBoot = entry === undefined || entry.bootId === readBootId()
  if (hasProcessTable && isOfThisBoot) {
    const root = {
      marker,
      pid: entry?.pid ?? undefined,
      startTicks: entry?.startTicks ?? undefined,
    }
    const tree = createProcessTree(root, reader)
    const pids = tree.membersIn(await reader.readFresh()).map(({ pid }) => pid)
    const about = { program: entry?.id, pids }
    if (pids.length > 0) log.warn(about, 'ends what an earlier run of Portico left behind')
    if (!(await tree.end(graceMs))) {
      log.error(about, 'what an earlier run of Portico left behind could not be ended')
      return
    }
  }
  await rm(file, { force: true })
}

function parseEntry(text: string): LedgerEntry | undefined {
  try {
    return LedgerEntry.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
