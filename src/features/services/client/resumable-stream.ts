import type { EventStream } from './event-stream.ts'
import type { ReplayBuffer } from './replay-buffer.ts'

/**
 * One stream of a session, which outlives the connections it is sent on: the unsolicited one of GET, or the one that
 * answers a POST. Its events have the ids `<stream>-<number>`.
 */
export class ResumableStream {
  readonly id: string
  readonly #replay: () => ReplayBuffer
  #connection: EventStream | undefined
  /** Number of the last message. */
  #sent = 0
  /** Number of the last message that was written to a connection. */
  #delivered = 0

  /** `replay` gives the buffer of the session, which is made at the first use. */
  constructor(id: string, replay: () => ReplayBuffer) {
    this.id = id
    this.#replay = replay
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen === true
  }

  /** The id of the last event, or of the beginning. */
  get lastEventId(): string {
    return `${this.id}-${this.#delivered}`
  }

  /** Sends a message, and keeps it for those who lose the connection. `at` is monotonic, ms. */
  push(bytes: Buffer, at: number): void {
    this.#sent += 1
    this.#replay().add({ stream: this.id, number: this.#sent, bytes, at })
    this.#write(bytes, this.#sent)
  }

  /**
   * Goes on over another connection; the one before, should it be open still, is ended. Sends what came after message
   * `from`, or, without it, what no connection was there for.
   */
  connect(connection: EventStream, from = this.#delivered): void {
    this.#connection?.end('replaced')
    this.#connection = connection
    for (const { bytes, number } of this.#replay().after(this.id, from)) this.#write(bytes, number)
  }

  keepAlive(silenceMs: number): void {
    this.#connection?.keepAlive(silenceMs)
  }

  /** Ends the connection; what is kept can still be resumed. */
  end(comment?: string): void {
    this.#connection?.end(comment)
    this.#connection = undefined
  }

  /** Forgets a connection that is gone; one that has replaced it stays. */
  disconnect(connection: EventStream): void {
    if (this.#connection === connection) this.#connection = undefined
  }

  #write(bytes: Buffer, number: number): void {
    const isWritten = this.#connection?.send(bytes, { id: `${this.id}-${number}` }) === true
    if (isWritten && number > this.#delivered) this.#delivered = number
  }
}

/** The stream and the number in an event id of ours; undefined for any other text. */
export function parseEventId(text: string): { stream: string; number: number } | undefined {
  const [, stream, digits] = /^([a-z0-9]{1,20})-(\d{1,12})$/.exec(text) ?? []
  return stream === undefined ? undefined : { stream, number: Number(digits) }
}
