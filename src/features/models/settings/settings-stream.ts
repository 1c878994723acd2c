import type { Log } from '../../../lib/log.ts'
import { AppError } from '../../../lib/errors.ts'
import { answerHeaders } from '../../../net/answer.ts'
import type { Exchange } from '../../../net/exchange.ts'
import type { EndpointList } from './settings-list.ts'

/** One reader of an event stream of settings. */
interface SettingsReader {
  readonly workspaceId: string
  /** Reads the list as it is. */
  read(): Promise<EndpointList>
  /** Says whether the key through which the settings are read still allows it. */
  isAllowed(): boolean
}

/** The event streams of settings. Disposing of them ends all. */
export interface SettingsStreams extends AsyncDisposable {
  /** Answers with a stream: the list at once, and again after every change. Throws `overloaded` above the bound. */
  open(exchange: Exchange, reader: SettingsReader): void
  /** Tells the readers of a workspace that something changed: a provider, or a key, perhaps their own. */
  changed(workspaceId: string): void
}

const streamsPerWorkspaceMax = 32
const keepAliveMs = 25_000
const keepAliveComment = ': keep-alive\n\n'

/** Creates the streams. */
export function createSettingsStreams({ log }: { log: Log }): SettingsStreams {
  const open = new Set<SettingsStream>()
  let isEnding = false
  const timer = setInterval(() => {
    for (const stream of open) stream.keepAlive()
  }, keepAliveMs)
  timer.unref()

  return {
    open(exchange, reader) {
      // Who has left by now will not leave again, and so would never be removed.
      if (exchange.res.closed) return
      if (isEnding) throw new AppError('overloaded', 'Portico is shutting down.')
      const { workspaceId } = reader
      const others = [...open].filter((stream) => stream.reader.workspaceId === workspaceId)
      if (others.length >= streamsPerWorkspaceMax) {
        throw new AppError('overloaded', 'Too many streams of these settings are open.')
      }
      const stream = new SettingsStream(exchange, reader, log)
      open.add(stream)
      exchange.res.once('close', () => open.delete(stream))
      stream.start()
    },
    changed(workspaceId) {
      for (const stream of open) if (stream.reader.workspaceId === workspaceId) stream.refresh()
    },
    async [Symbol.asyncDispose]() {
      isEnding = true
      clearInterval(timer)
      for (const stream of open) stream.end()
    },
  }
}

class SettingsStream {
  readonly reader: SettingsReader
  readonly #exchange: Exchange
  readonly #log: Log
  /** A list is being read or has not been taken yet; what changes meanwhile is sent as one, afterwards. */
  #isBusy = false
  #isStale = false

  constructor(exchange: Exchange, reader: SettingsReader, log: Log) {
    this.#exchange = exchange
    this.reader = reader
    this.#log = log
  }

  start(): void {
    const { id, req, res } = this.#exchange
    res.writeHead(200, [
      'content-type',
      'text/event-stream; charset=utf-8',
      'x-accel-buffering',
      'no',
      ...answerHeaders('management', id, req.socket),
    ])
    res.flushHeaders()
    this.refresh()
  }

  refresh(): void {
    if (!this.reader.isAllowed()) return this.end()
    this.#isStale = true
    if (this.#isBusy) return
    this.#isBusy = true
    this.#sendAll().catch((err: unknown) => {
      this.#log.error({ err, requestId: this.#exchange.id }, 'stream of settings broke off')
      this.#exchange.res.destroy()
    })
  }

  keepAlive(): void {
    if (!this.reader.isAllowed()) return this.end()
    const { res } = this.#exchange
    if (!res.writableNeedDrain && !res.writableEnded) res.write(keepAliveComment)
  }

  end(): void {
    this.#exchange.res.end()
  }

  async #sendAll(): Promise<void> {
    const { res } = this.#exchange
    while (this.#isStale) {
      this.#isStale = false
      const list = await this.reader.read()
      // Not `writable`, which stays true for a response that has ended.
      if (res.writableEnded || res.destroyed) return
      const isTaken = res.write(`data: ${JSON.stringify(list)}\n\n`)
      if (!isTaken) await drained(res)
    }
    this.#isBusy = false
  }
}

/** Resolves when the reader has caught up, or has gone. */
function drained(res: Exchange['res']): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = (): void => {
    res.off('drain', done).off('close', done)
    resolve()
  }
  res.once('drain', done).once('close', done)
  return promise
}
