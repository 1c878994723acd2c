import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { createPrivateFolder } from '../../store/data-folder.ts'
import { toFileName } from './file-name.ts'
import type { LogEntry, LogLine, LogQuery } from './log-line.ts'
import { OwnerLog } from './owner-log.ts'
import type { LogsConfig } from './owner-log.ts'
import { createRotatingFile } from './rotating-file.ts'

/** What programs print on stderr and what is said about them, in one log for each owner. */
export interface ProcessLogs extends AsyncDisposable {
  /** Takes a line; it is in the file soon. Never waits and never throws. */
  write(owner: string, entry: LogEntry): void
  /** The newest `limit` lines that match, oldest first. An unknown owner has none. */
  read(owner: string, query: LogQuery): Promise<LogLine[]>
  /** Calls back with each line from now on. Returns the function that ends it. */
  follow(owner: string, listener: (line: LogLine) => void): () => void
  /** Removes everything that an owner has logged. */
  remove(owner: string): Promise<void>
}

/** Creates the logs in `folder`. Disposing of them writes what is waiting. */
export function createProcessLogs(
  deps: { readonly folder: string; readonly clock: Clock; readonly log: Log },
  config: Live<LogsConfig>,
): ProcessLogs {
  const { folder } = deps
  const owners = new Map<string, OwnerLog>()
  createPrivateFolder(folder)

  function logOf(owner: string): OwnerLog {
    const known = owners.get(owner)
    if (known) return known
    const created = new OwnerLog(createRotatingFile(join(folder, toFileName(owner))), deps, config)
    owners.set(owner, created)
    return created
  }
  return {
    write: (owner, entry) => logOf(owner).write(entry),
    read: (owner, query) => logOf(owner).read(query),
    follow: (owner, listener) => logOf(owner).follow(listener),
    remove: (owner) => logOf(owner).remove(),
    async [Symbol.asyncDispose]() {
      await Promise.all([...owners.values()].map((log) => log.flush()))
      for (const log of owners.values()) log.close()
    },
  }
}
