import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Variable in the environment of every child, inherited by all that it starts: whoever has it belongs to that run.
 * Not in our own namespace, so that a Portico below a Portico does not take it for a setting.
 */
export const markerVariable = 'SUPERVISED_RUN'

/** Whether processes can be looked at: Linux only. */
export const hasProcessTable = process.platform === 'linux'

/** One process, as /proc shows it. */
export interface ProcessEntry {
  readonly pid: number
  readonly parentPid: number
  readonly groupId: number
  /** Clock ticks between the start of the machine and that of the process: with the pid, its identity. */
  readonly startTicks: number
  /** CPU time of the process and of the children that it has waited for, clock ticks. */
  readonly cpuTicks: number
  readonly residentPages: number
  /** Value of `markerVariable`; undefined where there is none or the environment may not be read. */
  readonly marker: string | undefined
}

/** Processes by pid. Those that have ended and only wait to be noticed are not among them. */
export type ProcessTable = ReadonlyMap<number, ProcessEntry>

/** Reads processes, at most one look at a time, which all who ask meanwhile share. */
export interface ProcessTableReader {
  /** A look that begins after the call. */
  readFresh(): Promise<ProcessTable>
  /** The last look if it is younger than `ageMsMax`, else a new one. */
  readRecent(ageMsMax: number): Promise<ProcessTable>
}

// Between two slices others have their turn: a look never holds up a stream for longer than one takes, about 1 ms.
const sliceLength = 64

/**
 * Creates a reader that looks for markers in processes started at `markedSinceTicks` or later: by default, in those that
 * are not older than this one.
 */
export function createProcessTableReader(
  markedSinceTicks = readProcess(process.pid)?.startTicks ?? 0,
): ProcessTableReader {
  let running: Promise<ProcessTable> | undefined
  let waiting: Promise<ProcessTable> | undefined
  let last: { table: ProcessTable; at: number } | undefined

  function begin(): Promise<ProcessTable> {
    running = readProcessTable(markedSinceTicks)
      .then((table) => {
        last = { table, at: performance.now() }
        return table
      })
      .finally(() => (running = undefined))
    return running
  }
  function readFresh(): Promise<ProcessTable> {
    if (!running) return begin()
    waiting ??= running
      .catch(() => {})
      .then(() => {
        waiting = undefined
        return begin()
      })
    return waiting
  }
  return {
    readFresh,
    readRecent(ageMsMax) {
      const isRecent = last !== undefined && performance.now() - last.at <= ageMsMax
      return isRecent && last ? Promise.resolve(last.table) : (running ?? readFresh())
    },
  }
}

/** Looks at all processes, and into the environment of those started at `markedSinceTicks` or later. Empty where there is no /proc. */
export async function readProcessTable(markedSinceTicks = 0): Promise<ProcessTable> {
  const table = new Map<number, ProcessEntry>()
  if (!hasProcessTable) return table
  const names = await readdir('/proc')
  const pids = names.map(Number).filter((pid) => pid > 0)
  for (let from = 0; from < pids.length; from += sliceLength) {
    const entries = pids.slice(from, from + sliceLength).map(readProcess)
    const alive = entries.filter((entry) => entry !== undefined)
    const marked = alive.map(async (entry) =>
      entry.startTicks < markedSinceTicks ? entry : { ...entry, marker: await readMarker(entry) },
    )
    for (const entry of await Promise.all(marked)) table.set(entry.pid, entry)
    await nextTurn()
  }
  return table
}

/** One process without its marker; undefined when it has ended or there is no /proc. */
export function readProcess(pid: number): ProcessEntry | undefined {
  const text = readProcFile(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name of the program stands in parentheses and may contain anything, parentheses and spaces included.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return {
    pid,
    parentPid: field(4),
    groupId: field(5),
    startTicks: field(22),
    cpuTicks: field(14) + field(15) + field(16) + field(17),
    residentPages: field(24),
    marker: undefined,
  }
}

/** Identifies this run of the machine; undefined where there is no /proc. */
export function readBootId(): string | undefined {
  return readProcFile('/proc/sys/kernel/random/boot_id')?.trim()
}

async function readMarker({ pid, residentPages }: ProcessEntry): Promise<string | undefined> {
  // Threads of the kernel have neither memory nor an environment.
  if (residentPages === 0) return undefined
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  const start = `${markerVariable}=`
  const variable = environment.split('\0').find((text) => text.startsWith(start))
  return variable?.slice(start.length)
}

// Synchronous, because that takes 10 µs where a promise takes 80, and /proc/*/stat never waits for a disk.
function readProcFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}
