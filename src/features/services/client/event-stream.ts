import type { ServerResponse } from 'node:http'
import { answerHeaders } from '../../../net/answer.ts'
import type { Exchange } from '../../../net/exchange.ts'

/** Bytes that may wait for a slow client before it is cut. One message may always wait, however long. */
export const queueBytesMax = 4 * 1024 * 1024

const streamHeaders = [
  'content-type',
  'text/event-stream',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
] as const

/** What an event carries beside its data. */
export interface EventFields {
  /** Name of the event; `message` when left out. */
  readonly name?: string
  readonly id?: string | undefined
}

/** One response that is a stream of server-sent events. A client that does not read is cut, not waited for. */
export class EventStream {
  readonly #res: ServerResponse
  #lastWriteAt = performance.now()

  /** Sends the head at once. `headers` is a flat list name, value, … */
  constructor({ req, res, id }: Exchange, headers: readonly string[] = []) {
    this.#res = res
    if (res.destroyed) return
    res.writeHead(200, [...streamHeaders, ...answerHeaders('data', id, req.socket), ...headers])
    res.flushHeaders()
  }

  get isOpen(): boolean {
    return !this.#res.destroyed && !this.#res.writableEnded
  }

  /** Sends one message or other text as an event. Returns false where the client is gone, or was cut because it does not read. */
  send(data: Buffer, { name = 'message', id }: EventFields = {}): boolean {
    if (!this.isOpen) return false
    if (this.#res.writableLength > queueBytesMax) {
      this.#res.destroy()
      return false
    }
    const head = id === undefined ? `event: ${name}\ndata: ` : `event: ${name}\nid: ${id}\ndata: `
    this.#write(toEvent(head, data))
    return true
  }

  /** Sends an event without data, from whose id the stream can be resumed before anything else was sent. */
  prime(id: string): void {
    if (this.isOpen) this.#write(`id: ${id}\ndata: \n\n`)
  }

  /** Sends what clients overlook, so that nobody on the way gives the connection up. */
  comment(text: string): void {
    if (this.isOpen) this.#write(`: ${text}\n\n`)
  }

  /** Sends a comment where nothing was sent for `silenceMs`. */
  keepAlive(silenceMs: number): void {
    if (performance.now() - this.#lastWriteAt < silenceMs || this.#res.writableNeedDrain) return
    this.comment('keep-alive')
  }

  /** Ends the stream in good order, after a last comment where there is one. */
  end(comment?: string): void {
    if (!this.isOpen) return
    if (comment !== undefined) this.comment(comment)
    this.#res.end()
  }

  #write(bytes: Buffer | string): void {
    this.#lastWriteAt = performance.now()
    this.#res.write(bytes)
  }
}

const lineBreak = /[\r\n]/g

/** One event. Line breaks can only stand between the tokens of JSON, where a blank means the same. */
function toEvent(head: string, data: Buffer): Buffer {
  const isOneLine = !data.includes(0x0a) && !data.includes(0x0d)
  const line = isOneLine
    ? data
    : Buffer.from(data.toString('latin1').replace(lineBreak, ' '), 'latin1')
  return Buffer.concat([Buffer.from(head), line, end])
}

const end = Buffer.from('\n\n')
