import type { ServerResponse } from 'node:http'
import { endsAtBoundary } from '../../../net/sse-boundary.ts'

const keepAliveComment = ': keep-alive\n\n'

/** The empty line between two events takes at most this much, and may come in a chunk of its own. */
const boundaryBytesMax = 4

/** The answer to the client as it is written: what has gone out, and whether something may be put in between. */
export class ClientResponse {
  readonly #res: ServerResponse
  /** The end of what has gone out, long enough to tell whether it is the end of an event. */
  #end: Buffer | undefined
  /** A head that goes out with the first bytes of its body, so that another answer can take its place until then. */
  #head: { readonly status: number; readonly headers: string[] } | undefined
  #lastWriteAt = 0
  #isEventStream = false
  #awaitsDrain = false

  constructor(res: ServerResponse) {
    this.#res = res
  }

  get hasBegun(): boolean {
    return this.#res.headersSent
  }

  get isEventStream(): boolean {
    return this.#isEventStream
  }

  /** Begins an answer whose body follows. The head of a stream goes out at once: its first chunk may be minutes away. */
  begin(status: number, headers: string[], { isEventStream }: { isEventStream: boolean }): void {
    this.#isEventStream = isEventStream
    if (!isEventStream) {
      this.#head = { status, headers }
      return
    }
    this.#lastWriteAt = performance.now()
    this.#writeHead(status, headers)
    this.#res.flushHeaders()
  }

  /** Returns false when the client reads more slowly than the upstream sends; `onDrain` is called once when it has caught up. */
  write(chunk: Buffer, onDrain: () => void): boolean {
    if (chunk.length === 0) return !this.#awaitsDrain
    if (this.#head !== undefined) this.#writeHead(this.#head.status, this.#head.headers)
    if (this.#isEventStream) {
      this.#lastWriteAt = performance.now()
      this.#end = this.#endWith(chunk)
    }
    if (this.#res.write(chunk)) return true
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true
      this.#res.once('drain', () => {
        this.#awaitsDrain = false
        onDrain()
      })
    }
    return false
  }

  end(): void {
    if (this.#head !== undefined) this.#writeHead(this.#head.status, this.#head.headers)
    this.#res.end()
  }

  /** Answers in full, where nothing has gone out yet. The length is told for a body that `isReplaced`; one as it came has it. */
  answer(
    { status, headers }: { readonly status: number; readonly headers: string[] },
    body: string | Buffer,
    { isReplaced }: { readonly isReplaced: boolean },
  ): void {
    if (isReplaced) headers.push('content-length', String(Buffer.byteLength(body)))
    this.#writeHead(status, headers)
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
    const separator = this.#isBetweenEvents() ? '' : '\n\n'
    // Destroying at once would throw away what is still in the socket's buffer.
    this.#res.write(separator + lastEvent.toString(), () => this.#res.destroy())
  }

  /** Writes a comment when a stream has been silent for `silenceMs`, so that nobody between us and the client gives up. */
  keepAlive(now: number, silenceMs: number): void {
    if (!this.#isEventStream || now - this.#lastWriteAt < silenceMs) return
    if (this.#res.writableNeedDrain || this.#res.writableEnded || !this.#isBetweenEvents()) return
    this.#lastWriteAt = now
    this.#res.write(keepAliveComment)
  }

  #writeHead(status: number, headers: string[]): void {
    this.#head = undefined
    // What is left of a request that was answered before its end would be taken for the next one.
    if (!this.#res.req.complete) headers.push('connection', 'close')
    this.#res.writeHead(status, headers)
  }

  #isBetweenEvents(): boolean {
    return this.#end === undefined || endsAtBoundary(this.#end)
  }

  #endWith(chunk: Buffer): Buffer {
    if (this.#end === undefined || chunk.length >= boundaryBytesMax) return chunk
    return Buffer.concat([this.#end.subarray(-boundaryBytesMax), chunk])
  }
}
