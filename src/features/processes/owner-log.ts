import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { createLineRate } from './line-rate.ts'
import { createLogFilter, formatLogLine, parseLogLine } from './log-line.ts'
import type { LogEntry, LogLine, LogQuery } from './log-line.ts'
import type { RotatingFile } from './rotating-file.ts'

/** Bounds of each owner's log. */
export interface LogsConfig {
  /** Size at which a file is set aside, bytes. One older one is kept. */
  readonly logBytesMax: number
  /** Lines a second; the others are dropped and counted. */
  readonly logLinesPerSecondMax: number
}

const flushMs = 100
const messageCharsMax = 8 * 1024
const waitingCharsMax = 4 * 1024 * 1024
const readMsMax = 2_000
const warnEveryMs = 60_000

/** The log of one owner: lines that wait in memory, and the file that they go to. */
export class OwnerLog {
  readonly #file: RotatingFile
  readonly #deps: { readonly clock: Clock; readonly log: Log }
  readonly #config: Live<LogsConfig>
  readonly #rate: ReturnType<typeof createLineRate>
  readonly #listeners = new Set<(line: LogLine) => void>()
  #lastId = 0
  #waiting: string[] = []
  #waitingChars = 0
  /** Lines lost because they came faster than the disk takes them. */
  #lost = 0
  #warnedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #queue: Promise<unknown> = Promise.resolve()

  constructor(
    file: RotatingFile,
    deps: { readonly clock: Clock; readonly log: Log },
    config: Live<LogsConfig>,
  ) {
    this.#file = file
    this.#deps = deps
    this.#config = config
    this.#rate = createLineRate(deps.clock)
  }

  /** Takes a line; it is in the file soon. Never waits and never throws. */
  write(entry: LogEntry): void {
    // What we have to say is little, and must not be lost in the noise of a program.
    const isAdmitted =
      entry.stream === 'system' || this.#rate.admit(this.#config().logLinesPerSecondMax)
    this.#reportDropped()
    if (isAdmitted) this.#add(entry)
    this.#timer ??= setTimeout(() => void this.flush(), flushMs)
  }

  /** Calls back with each line from now on. Returns the function that ends it. */
  follow(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** The newest lines that match, oldest first; what is found within two seconds. */
  async read(query: LogQuery): Promise<LogLine[]> {
    await this.flush()
    return await this.#inTurn(() => this.#readBack(query))
  }

  /** Resolves when all lines so far are in the file, or have been given up. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#reportDropped()
    const lines = this.#waiting
    this.#waiting = []
    this.#waitingChars = 0
    if (lines.length > 0) await this.#inTurn(() => this.#append(lines))
    // A second that dropped lines is told of when it is over, also when nothing is written any more.
    if (this.#rate.hasDropped) this.#timer ??= setTimeout(() => void this.flush(), flushMs)
  }

  /** Removes the files, and what waits to be written. */
  async remove(): Promise<void> {
    this.close()
    this.#waiting = []
    this.#waitingChars = 0
    await this.#inTurn(() => this.#file.remove())
  }

  /** Stops the clock that writes what waits. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #add(entry: LogEntry): void {
    const { clock } = this.#deps
    const { message } = entry
    const cut = message.length > messageCharsMax ? `${message.slice(0, messageCharsMax)}…` : message
    const at = clock.now()
    // Larger than any id of an earlier process as well, which the time of day sees to.
    this.#lastId = Math.max(this.#lastId + 1, at * 1000)
    const line: LogLine = { id: this.#lastId, at, ...entry, message: cut }
    for (const listener of this.#listeners) listener(line)
    if (this.#waitingChars > waitingCharsMax) {
      this.#lost += 1
      return
    }
    const text = formatLogLine(line)
    this.#waiting.push(text)
    this.#waitingChars += text.length
  }

  #reportDropped(): void {
    const refused = this.#rate.takeDropped()
    const isWritable = this.#waitingChars <= waitingCharsMax
    const dropped = refused + (isWritable ? this.#lost : 0)
    if (dropped === 0) return
    if (isWritable) this.#lost = 0
    this.#add({ level: 'warn', stream: 'system', message: `dropped ${dropped} lines` })
  }

  #append(lines: readonly string[]): Promise<void> {
    const text = `${lines.join('\n')}\n`
    return this.#file.append(text, this.#config().logBytesMax).catch((err: unknown) => {
      const now = this.#deps.clock.elapsed()
      this.#lost += lines.length
      if (now - this.#warnedAt < warnEveryMs) return
      this.#warnedAt = now
      this.#deps.log.warn({ err }, 'log lines of a program could not be written')
    })
  }

  async #readBack(query: LogQuery): Promise<LogLine[]> {
    const matches = createLogFilter(query)
    const deadline = performance.now() + readMsMax
    const found: LogLine[] = []
    for await (const text of this.#file.readBackwards()) {
      if (found.length >= query.limit || performance.now() > deadline) break
      const line = parseLogLine(text)
      if (line && matches(line)) found.push(line)
    }
    return found.reverse()
  }

  /** One after the other: nobody reads a file that is just being set aside. */
  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => {})
    return result
  }
}
