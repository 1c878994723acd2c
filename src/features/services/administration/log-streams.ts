import type { ServerResponse } from 'node:http'
import { AppError } from '../../../lib/errors.ts'
import { answerHeaders } from '../../../net/answer.ts'
import { toLogFrame } from './service-logs.ts'
import type { ServiceLogLine } from './service-logs.ts'

/** One reader of the log of a service. */
interface LogReader {
  readonly requestId: string
  /** Begins to follow; returns the function that ends it. */
  follow(listener: (line: ServiceLogLine) => void): () => void
  /** Says whether the key of the reader still works. */
  isAllowed(): boolean
}

/** The event streams of logs. Disposing of them ends all, which lets their readers connect anew. */
export interface LogStreams extends AsyncDisposable {
  /** Answers with a stream of lines. Throws `overloaded` above the bound. */
  open(res: ServerResponse, reader: LogReader): void
}

const streamsMax = 200
const lookMs = 1_000
const looksPerKeepAlive = 15
/** Lines beyond that are left out until the reader has caught up: a slow reader must not fill the memory. */
const waitingBytesMax = 1024 * 1024

/** Creates the streams. */
export function createLogStreams(): LogStreams {
  const open = new Set<ServerResponse>()
  let isEnding = false
  return {
    open(res, reader) {
      if (res.closed) return
      if (isEnding) throw new AppError('overloaded', 'Portico is shutting down.')
      if (open.size >= streamsMax)
        throw new AppError('overloaded', 'Too many log streams are open.')
      open.add(res)
      const stop = startStream(res, reader)
      res.once('close', () => {
        open.delete(res)
        stop()
      })
    },
    async [Symbol.asyncDispose]() {
      isEnding = true
      for (const res of open) res.end()
    },
  }
}

function startStream(res: ServerResponse, reader: LogReader): () => void {
  res.writeHead(200, [
    'content-type',
    'text/event-stream; charset=utf-8',
    'x-accel-buffering',
    'no',
    ...answerHeaders('management', reader.requestId, res.socket),
  ])
  res.flushHeaders()
  let looks = 0
  let leftOut = 0
  const unfollow = reader.follow((line) => {
    if (res.writableEnded) return
    if (res.writableLength > waitingBytesMax) leftOut += 1
    else res.write(toEvent(line))
  })
  const timer = setInterval(() => {
    if (!reader.isAllowed()) return res.end()
    looks += 1
    if (res.writableLength > 0) return undefined
    if (leftOut > 0) res.write(`: ${leftOut} lines left out\n\n`)
    else if (looks % looksPerKeepAlive === 0) res.write(': keep-alive\n\n')
    leftOut = 0
    return undefined
  }, lookMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    unfollow()
  }
}

function toEvent(line: ServiceLogLine): string {
  return `id: ${String(line.id).replace(/[\r\n\0]/g, '')}\ndata: ${JSON.stringify({ ...toLogFrame(line), level: line.level })}\n\n`
}
