/** How severe a line is, least first. */
const logLevels = ['debug', 'info', 'warn', 'error'] as const

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number]

/** What somebody has to say about or on behalf of a program. */
export interface LogEntry {
  readonly level: LogLevel
  /** Which output of the program it was, or `system` for what we say about it. */
  readonly stream: 'stdout' | 'stderr' | 'system'
  /** Cut at 8 KiB. */
  readonly message: string
  /** Which program of the owner. */
  readonly programId?: string
}

/** One line of a log. */
export interface LogLine extends LogEntry {
  /** Grows from line to line within an owner. */
  readonly id: number
  /** Epoch ms. */
  readonly at: number
}

/** Which lines are wanted. */
export interface LogQuery {
  /** The newest so many. */
  readonly limit: number
  /** Text that the message contains, in whatever case. */
  readonly search?: string | undefined
  /** Least severe level. */
  readonly level?: LogLevel | undefined
  /** Only lines with a smaller id: the page before. */
  readonly before?: number | undefined
}

/** The line as it stands in the file, without a newline. */
export function formatLogLine(line: LogLine): string {
  return JSON.stringify(line)
}

/** Reads a line of the file; undefined for one that was cut by a crash or a full disk. */
export function parseLogLine(text: string): LogLine | undefined {
  // Cheap and sufficient: what begins and ends like ours was written by us as a whole.
  if (!text.startsWith('{"id":') || !text.endsWith('}')) return undefined
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return undefined
  }
}

/** Says which lines a query is for, its limit aside. */
export function createLogFilter({ search, level, before }: LogQuery): (line: LogLine) => boolean {
  const wanted = search?.toLowerCase()
  const rank = level === undefined ? 0 : logLevels.indexOf(level)
  return (line) =>
    (before === undefined || line.id < before) &&
    logLevels.indexOf(line.level) >= rank &&
    (wanted === undefined || line.message.toLowerCase().includes(wanted))
}
