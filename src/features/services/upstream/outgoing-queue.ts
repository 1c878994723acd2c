import type { Channel } from '../wire/channel.ts'

/** Messages on their way into a channel, in order. While the other side does not read, they wait here. */
export class OutgoingQueue {
  readonly #channel: Channel
  readonly #bytesMax: number
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #isBlocked = false

  constructor(channel: Channel, bytesMax: number) {
    this.#channel = channel
    this.#bytesMax = bytesMax
  }

  /** More waits than should. What can be refused is to be refused; the rest is still taken. */
  get isFull(): boolean {
    return this.#waitingBytes >= this.#bytesMax
  }

  send(bytes: Buffer): void {
    if (!this.#isBlocked) return this.#write(bytes)
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  #write(bytes: Buffer): void {
    const room = this.#channel.send(bytes)
    if (room === undefined) return
    this.#isBlocked = true
    const proceed = () => this.#proceed()
    // A channel that fails says so by its `closed`.
    room.then(proceed, proceed)
  }

  #proceed(): void {
    this.#isBlocked = false
    const waiting = this.#waiting
    this.clear()
    for (const bytes of waiting) this.send(bytes)
  }
}
