/** A bounded first-in-first-out queue, handed out one batch at a time. */
export interface BatchQueue<Row> {
  /** Rows queued, those taken included. */
  readonly size: number
  /** Rows lost since the start. */
  readonly dropped: number
  /** Adds a row; drops the oldest one that waits when there is no room. */
  push(row: Row): void
  /** The oldest batch, or undefined when none waits. Ended by `putBack` before the next `take`. */
  take(): readonly Row[] | undefined
  /** Ends a `take`: the rows given are first in line again, the others are done. */
  putBack(rows: readonly Row[]): void
  /** Drops everything. */
  clear(): void
}

/**
 * Creates a queue in which `rowsMax` rows may wait, beside those taken.
 * It is cut into batches while rows arrive, so that dropping one moves no more rows than a batch holds.
 */
export function createBatchQueue<Row>(rowsMax: number, batchRows: number): BatchQueue<Row> {
  const batches: Row[][] = []
  let size = 0
  let dropped = 0
  let taken = 0

  function dropOldest(): void {
    const [oldest] = batches
    if (!oldest) return
    oldest.shift()
    if (oldest.length === 0) batches.shift()
    size -= 1
    dropped += 1
  }

  return {
    get size() {
      return size
    },
    get dropped() {
      return dropped
    },
    push(row) {
      let last = batches.at(-1)
      if (!last || last.length >= batchRows) batches.push((last = []))
      last.push(row)
      size += 1
      if (size - taken > rowsMax) dropOldest()
    },
    take() {
      const batch = batches.shift()
      taken = batch?.length ?? 0
      return batch
    },
    putBack(rows) {
      size -= taken - rows.length
      taken = 0
      if (rows.length > 0) batches.unshift([...rows])
      while (size > rowsMax) dropOldest()
    },
    clear() {
      dropped += size
      size = 0
      taken = 0
      batches.length = 0
    },
  }
}
