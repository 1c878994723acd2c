import { once, EventEmitter } from 'node:events'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { createBatchQueue } from './batch-queue.ts'
import { createBatchWriter } from './batch-writer.ts'
import type { BatchWriterOptions } from './batch-writer.ts'

test('writes in the order of arrival, once there are enough rows and without waiting for the time', async () => {
  const table = createTable()
  await using writer = openWriter({ write: table.write, flushRows: 3 })
  for (const row of [1, 2, 3]) writer.push(row)
  expect(table.batches).toEqual([])
  await table.written()
  expect(table.batches).toEqual([[1, 2, 3]])
})

test('writes a few rows once their time has come', async () => {
  const table = createTable()
  await using writer = openWriter({ write: table.write, flushMs: 5 })
  writer.push(1)
  writer.push(2)
  await table.written()
  expect(table.batches).toEqual([[1, 2]])
})

test('writes one batch at a time and never a larger one', async () => {
  const table = createTable()
  const gate = Promise.withResolvers<void>()
  let concurrent = 0
  let concurrentMax = 0
  await using writer = openWriter({
    flushRows: 10,
    async write(rows) {
      concurrentMax = Math.max(concurrentMax, (concurrent += 1))
      await gate.promise
      await table.write(rows)
      concurrent -= 1
    },
  })
  for (let row = 0; row < 95; row += 1) writer.push(row)
  gate.resolve()
  await writer.flush()
  expect(concurrentMax).toBe(1)
  expect(table.batches.map((batch) => batch.length)).toEqual([
    10, 10, 10, 10, 10, 10, 10, 10, 10, 5,
  ])
  expect(table.batches.flat()).toEqual(Array.from({ length: 95 }, (_, row) => row))
  expect(writer.queued).toBe(0)
})

test('loses nothing while the database is away, as long as there is room', async () => {
  const table = createTable()
  await using writer = openWriter({ write: table.write, flushRows: 2 })
  table.failWith(new AppError('storage_failed', 'away'))
  for (const row of [1, 2, 3, 4, 5]) writer.push(row)
  await table.attempted(3)
  expect(writer.queued).toBe(5)
  table.failWith(undefined)
  await writer.flush()
  expect(table.batches.flat()).toEqual([1, 2, 3, 4, 5])
  expect(writer.dropped).toBe(0)
})

test('drops the oldest rows when there is no more room, and counts them', async () => {
  const table = createTable()
  await using writer = openWriter({ write: table.write, rowsMax: 4, flushRows: 2 })
  table.failWith(new AppError('storage_failed', 'away'))
  for (let row = 1; row <= 10; row += 1) writer.push(row)
  await table.attempted(3)
  expect(writer.queued).toBe(4)
  table.failWith(undefined)
  await writer.flush()
  expect(table.batches.flat()).toEqual([7, 8, 9, 10])
  expect(writer.dropped).toBe(6)
})

test('drops a row that the database refuses, and no other', async () => {
  const table = createTable()
  await using writer = openWriter({
    flushRows: 8,
    async write(rows) {
      if (rows.includes(5)) throw new AppError('invalid_request', 'five')
      await table.write(rows)
    },
  })
  for (let row = 1; row <= 8; row += 1) writer.push(row)
  await writer.flush()
  expect(table.batches.flat()).toEqual([1, 2, 3, 4, 6, 7, 8])
  expect(writer.dropped).toBe(1)
})

test('writes what is left when it is disposed of, and takes nothing more', async () => {
  const table = createTable()
  const writer = openWriter({ write: table.write })
  writer.push(1)
  await writer[Symbol.asyncDispose]()
  writer.push(2)
  await writer.flush()
  expect(table.batches).toEqual([[1]])
  expect(writer.dropped).toBe(1)
})

test('ends at its deadline when the database stays away, and counts what it leaves', async () => {
  const table = createTable()
  const writer = openWriter({ write: table.write, closeTimeoutMs: 30 })
  table.failWith(new AppError('storage_failed', 'away'))
  writer.push(1)
  writer.push(2)
  await writer[Symbol.asyncDispose]()
  expect(writer.dropped).toBe(2)
  expect(writer.queued).toBe(0)
})

test('tries at once when it is disposed of during the pause after a failure', async () => {
  const table = createTable()
  const writer = openWriter({ write: table.write, retryMs: 60_000, flushRows: 1 })
  table.failWith(new AppError('storage_failed', 'away'))
  writer.push(1)
  await table.attempted(1)
  table.failWith(undefined)
  await writer[Symbol.asyncDispose]()
  expect(table.batches).toEqual([[1]])
})

test('the queue never holds more than it may, loses only the oldest and keeps the order', () => {
  const step = fc.constantFrom('push', 'take', 'succeed', 'fail')
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step), (batchRows, steps) => {
      const queue = createBatchQueue<number>(batchRows + 5, batchRows)
      const written: number[] = []
      let pushed = 0
      let taken: readonly number[] | undefined
      const succeed = () => {
        written.push(...(taken ?? []))
        if (taken) queue.putBack([])
        taken = undefined
      }
      for (const action of steps) {
        if (action === 'push') queue.push((pushed += 1))
        if (action === 'take') taken ??= queue.take()
        if (action === 'succeed') succeed()
        if (action === 'fail' && taken) queue.putBack(taken)
        if (action === 'fail') taken = undefined
        expect(queue.size - (taken?.length ?? 0)).toBeLessThanOrEqual(batchRows + 5)
      }
      do succeed()
      while ((taken = queue.take()))
      expect(written).toEqual(written.toSorted((a, b) => a - b))
      expect(written.length + queue.dropped).toBe(pushed)
    }),
  )
})

/** A table that remembers what was written to it, and fails on demand. */
function createTable() {
  const events = new EventEmitter()
  const batches: number[][] = []
  let failure: Error | undefined
  let attempts = 0
  return {
    batches,
    written: () => once(events, 'written'),
    failWith(error: Error | undefined) {
      failure = error
    },
    attempted: (count: number) => vi.waitFor(() => expect(attempts).toBeGreaterThanOrEqual(count)),
    write: async (rows: readonly number[]) => {
      attempts += 1
      if (failure) throw failure
      batches.push([...rows])
      events.emit('written')
    },
  }
}

function openWriter(
  options: Pick<BatchWriterOptions<number>, 'write'> & Partial<BatchWriterOptions<number>>,
) {
  const silent = () => undefined
  return createBatchWriter<number>({
    name: 'rows',
    rowsMax: 1000,
    flushRows: 100,
    flushMs: 60_000,
    retryMs: 1,
    log: { debug: silent, info: silent, warn: silent, error: silent, fatal: silent },
    ...options,
  })
}
