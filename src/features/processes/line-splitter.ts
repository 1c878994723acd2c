const newline = 0x0a
const carriageReturn = 0x0d
const firstCapacityBytes = 4096

/** Hears what a line splitter finds. */
export interface LineReceiver {
  /** One line without its `\n` or `\r\n`. The bytes are the receiver's to keep and not to change. */
  onLine(line: Buffer): void
  /** Once for each line that is too long, with its first bytes; the rest of it is skipped. */
  onTooLong(head: Buffer): void
}

/** Cuts a stream of bytes into lines. */
export interface LineSplitter {
  push(chunk: Buffer): void
  /** Delivers what came after the last newline, if anything. */
  end(): void
}

/**
 * Creates a splitter that never holds more than `bytesMax` bytes; that is also the longest line, its `\r` included.
 * A line that lies within one chunk is a view of it; only what crosses chunks is copied.
 */
export function createLineSplitter(bytesMax: number, receiver: LineReceiver): LineSplitter {
  return new Splitter(bytesMax, receiver)
}

class Splitter implements LineSplitter {
  readonly #bytesMax: number
  readonly #receiver: LineReceiver
  /** The beginning of a line whose end has not come. Grows by doubling, so that bytes that trickle in cost no more. */
  #held = Buffer.alloc(0)
  #heldBytes = 0
  #isSkipping = false

  constructor(bytesMax: number, receiver: LineReceiver) {
    this.#bytesMax = bytesMax
    this.#receiver = receiver
  }

  push(chunk: Buffer): void {
    let from = 0
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      this.#complete(chunk.subarray(from, at))
      from = at + 1
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from))
  }

  end(): void {
    if (this.#heldBytes > 0) this.#complete(Buffer.alloc(0))
    this.#isSkipping = false
  }

  #complete(last: Buffer): void {
    if (this.#isSkipping) {
      this.#isSkipping = false
    } else if (this.#heldBytes + last.length > this.#bytesMax) {
      this.#reportTooLong(last)
    } else if (this.#heldBytes === 0) {
      this.#receiver.onLine(withoutReturn(last))
    } else {
      this.#append(last)
      this.#receiver.onLine(withoutReturn(this.#take()))
    }
  }

  #hold(part: Buffer): void {
    if (this.#isSkipping) return
    this.#isSkipping = this.#heldBytes + part.length > this.#bytesMax
    if (this.#isSkipping) this.#reportTooLong(part)
    else this.#append(part)
  }

  #reportTooLong(part: Buffer): void {
    this.#append(part.subarray(0, this.#bytesMax - this.#heldBytes))
    this.#receiver.onTooLong(this.#take())
  }

  #append(part: Buffer): void {
    const bytes = this.#heldBytes + part.length
    if (bytes > this.#held.length) {
      const capacity = Math.max(bytes, this.#held.length * 2, firstCapacityBytes)
      const grown = Buffer.allocUnsafeSlow(Math.min(capacity, this.#bytesMax))
      this.#held.copy(grown, 0, 0, this.#heldBytes)
      this.#held = grown
    }
    part.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
  }

  #take(): Buffer {
    const line = this.#held.subarray(0, this.#heldBytes)
    this.#held = Buffer.alloc(0)
    this.#heldBytes = 0
    return line
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
}
