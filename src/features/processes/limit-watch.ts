import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { hasProcessTable } from './process-table.ts'
import type { ProcessTableReader } from './process-table.ts'
import type { ProcessTree } from './process-tree.ts'
import type { ProgramLimits } from './program-spec.ts'
import { sumUsage } from './tree-figures.ts'

/** A run whose bounds are watched. */
interface WatchedRun {
  readonly tree: ProcessTree
  readonly limits: ProgramLimits
  /** Called once, with what was exceeded. */
  onExceeded(reason: string): void
}

/** Looks at all runs that have a bound, every few seconds. While there is none, it does nothing. */
export interface LimitWatch extends Disposable {
  /** Returns the function that ends it. */
  watch(run: WatchedRun): () => void
}

/** Creates the watch. Without /proc it sees nothing. */
export function createLimitWatch(
  { reader, log }: { readonly reader: ProcessTableReader; readonly log: Log },
  watchMs: Live<number>,
): LimitWatch {
  const runs = new Set<WatchedRun>()
  let timer: NodeJS.Timeout | undefined

  async function look(): Promise<void> {
    const table = await reader.readFresh()
    for (const run of runs) {
      const reason = findExcess(sumUsage(run.tree.membersIn(table)), run.limits)
      if (reason === undefined) continue
      runs.delete(run)
      run.onExceeded(reason)
    }
  }
  function schedule(): void {
    timer = setTimeout(() => {
      look()
        .catch((err: unknown) => log.warn({ err }, 'the processes could not be looked at'))
        .finally(() => (runs.size === 0 ? (timer = undefined) : schedule()))
    }, watchMs()).unref()
  }
  return {
    watch(run) {
      const { memoryBytesMax, cpuSecondsMax } = run.limits
      const isBounded = memoryBytesMax !== null || cpuSecondsMax !== null
      if (!isBounded || !hasProcessTable) return () => {}
      runs.add(run)
      if (timer === undefined) schedule()
      return () => void runs.delete(run)
    },
    [Symbol.dispose]() {
      runs.clear()
      clearTimeout(timer)
    },
  }
}

function findExcess(
  { memoryBytes, cpuMs }: ReturnType<typeof sumUsage>,
  { memoryBytesMax, cpuSecondsMax }: ProgramLimits,
): string | undefined {
  if (memoryBytesMax !== null && memoryBytes > memoryBytesMax) {
    return `it uses ${memoryBytes} bytes of memory, more than ${memoryBytesMax}`
  }
  if (cpuSecondsMax !== null && cpuMs > cpuSecondsMax * 1000) {
    return `it has used more than ${cpuSecondsMax} s of CPU time`
  }
  return undefined
}
