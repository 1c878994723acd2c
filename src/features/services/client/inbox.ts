/** Bytes that may wait for a reader. */
const waitingBytesMax = 16 * 1024 * 1024

/** Messages for a reader that may come later than the first of them. */
export class Inbox {
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #onMessage: ((bytes: Buffer) => void) | undefined

  /** Returns false where too much waits already, and the message is not taken. */
  put(bytes: Buffer): boolean {
    if (this.#onMessage !== undefined) {
      this.#onMessage(bytes)
      return true
    }
    if (this.#waitingBytes + bytes.length > waitingBytesMax) return false
    this.#waitingBytes += bytes.length
    this.#waiting.push(bytes)
    return true
  }

  /** Hands over what waits and whatever comes. */
  open(onMessage: (bytes: Buffer) => void): void {
    this.#onMessage = onMessage
    for (const bytes of this.#waiting.splice(0)) onMessage(bytes)
  }
}
