/** Bytes of messages that all sessions together keep for resuming. */
export interface ReplayPool {
  readonly bytesMax: number
  bytes: number
}

/** One message of a stream, as it was sent or is still to be sent. */
export interface ReplayEntry {
  readonly stream: string
  /** Counts the messages of a stream from 1. */
  readonly number: number
  readonly bytes: Buffer
  /** Monotonic, ms. */
  readonly at: number
}

/** Messages of one session's streams, oldest first; beyond its bound the oldest go. */
export class ReplayBuffer {
  readonly #pool: ReplayPool
  readonly #bytesMax: number
  #entries: ReplayEntry[] = []
  #bytes = 0

  constructor(pool: ReplayPool, bytesMax: number) {
    this.#pool = pool
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a message; one that does not fit even alone is not kept. */
  add(entry: ReplayEntry): void {
    const size = entry.bytes.length
    let gone = 0
    let freed = 0
    while (gone < this.#entries.length && !this.#fits(size - freed)) {
      freed += this.#entries[gone]?.bytes.length ?? 0
      gone += 1
    }
    this.#drop(gone)
    if (!this.#fits(size)) return
    this.#entries.push(entry)
    this.#count(size)
  }

  /** The messages of a stream beyond the given number. */
  after(stream: string, number: number): readonly ReplayEntry[] {
    return this.#entries.filter((entry) => entry.stream === stream && entry.number > number)
  }

  /** Forgets what was kept before `moment`. */
  expire(moment: number): void {
    const kept = this.#entries.findIndex(({ at }) => at >= moment)
    this.#drop(kept < 0 ? this.#entries.length : kept)
  }

  clear(): void {
    this.#drop(this.#entries.length)
  }

  #fits(size: number): boolean {
    return this.#bytes + size <= this.#bytesMax && this.#pool.bytes + size <= this.#pool.bytesMax
  }

  #drop(count: number): void {
    if (count === 0) return
    for (const { bytes } of this.#entries.splice(0, count)) this.#count(-bytes.length)
  }

  #count(size: number): void {
    this.#bytes += size
    this.#pool.bytes += size
  }
}
