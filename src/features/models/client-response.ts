import type { ServerResponse } from 'node:http'
import { endsAtBoundary } from '../../net/sse-boundary.ts'

const keepAliveComment = ': keep-alive\n\n'

/** The answer to the client as it is written: what has gone out, and whether something may be put in between. */
export class ClientResponse {
  readonly #res: ServerResponse
  #lastChunk: Buffer | undefined
  #lastWriteAt = 0
  #isEventStream = false

  constructor(res: ServerResponse) {
    this.#res = res
  }

  get hasBegun(): boolean {
    return this.#res.headersSent
  }

  get isEventStream(): boolean {
    return this.#isEventStream
  }

  /** Sends the head at once; the first chunk of a slow model may be minutes away. */
  begin(status: number, headers: string[], options: { isEventStream: boolean }): void {
    this.#isEventStream = options.isEventStream
    this.#lastWriteAt = performance.now()
    this.#res.writeHead(status, headers)
    if (options.isEventStream) this.#res.flushHeaders()
  }

  /** Returns false when the client reads more slowly than the upstream sends; `onDrain` is called once when it has caught up. */
  write(chunk: Buffer, onDrain: () => void): boolean {
    if (chunk.length === 0) return true
    this.#lastChunk = chunk
    if (this.#isEventStream) this.#lastWriteAt = performance.now()
    if (this.#res.write(chunk)) return true
    this.#res.once('drain', onDrain)
    return false
  }

  end(): void {
    this.#res.end()
  }

  /** Answers in full, where nothing has gone out yet. */
  answer(status: number, headers: string[], body: string | Buffer): void {
    this.#res.writeHead(status, [...headers, 'content-length', String(Buffer.byteLength(body))])
    this.#res.end(body)
  }

  /**
   * Breaks the answer off so that nobody takes it for complete: an optional last event at an event boundary, and no
   * terminating chunk behind it.
   */
  breakOff(lastEvent: Buffer | undefined): void {
    if (lastEvent === undefined) {
      this.#res.destroy()
      return
    }
    const isBetweenEvents = this.#lastChunk === undefined || endsAtBoundary(this.#lastChunk)
    if (!isBetweenEvents) this.#res.write('\n\n')
    // Destroying at once would throw away what is still in the socket's buffer.
    this.#res.write(lastEvent, () => this.#res.destroy())
  }

  /** Writes a comment when a stream has been silent for `silenceMs`, so that nobody between us and the client gives up. */
  keepAlive(now: number, silenceMs: number): void {
    if (!this.#isEventStream || now - this.#lastWriteAt < silenceMs) return
    if (this.#res.writableNeedDrain || this.#res.writableEnded) return
    if (this.#lastChunk !== undefined && !endsAtBoundary(this.#lastChunk)) return
    this.#lastWriteAt = now
    this.#res.write(keepAliveComment)
  }
}
