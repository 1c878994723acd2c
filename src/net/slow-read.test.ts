import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { createTestClock } from '../../test/support/clock.ts'
import { createSlowReadGuard } from './slow-read.ts'

const windowMs = 50

/** A connection whose writing side is guarded. The guard checks by a real timer, but time passes for it only when a test says so. */
async function openGuardedPair() {
  const clock = createTestClock()
  let checks = 0
  let cuts = 0
  const elapsed = () => {
    checks += 1
    return clock.elapsed()
  }
  const guard = createSlowReadGuard(
    { clock: { elapsed }, onCut: () => (cuts += 1) },
    { bytesPerSecondMin: 512, windowMs },
  )
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  const [writer] = (await once(server, 'connection')) as [Socket]
  guard.track(writer)
  reader.on('error', () => {})
  return {
    reader,
    writer,
    cuts: () => cuts,
    async pass(ms: number) {
      clock.advance(ms)
      const before = checks
      await vi.waitFor(() => expect(checks).toBeGreaterThan(before + 1))
    },
    async [Symbol.asyncDispose]() {
      guard[Symbol.dispose]()
      reader.destroy()
      writer.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Reads at least so many bytes, and no further. */
async function take(reader: Socket, bytes: number): Promise<void> {
  let left = bytes
  const { promise, resolve } = Promise.withResolvers<void>()
  const onData = (chunk: Buffer) => {
    left -= chunk.length
    if (left > 0) return
    reader.pause().off('data', onData)
    resolve()
  }
  reader.on('data', onData).resume()
  await promise
}

const flood = Buffer.alloc(128 * 1_024 * 1_024)

test('cuts a reader that leaves what is pending for a whole window, and not before', async () => {
  await using pair = await openGuardedPair()
  pair.writer.write(flood)
  await pair.pass(0)
  await pair.pass(windowMs - 1)
  expect(pair.writer.destroyed).toBe(false)
  await pair.pass(1)
  expect(pair.writer.destroyed).toBe(true)
  expect(pair.cuts()).toBe(1)
})

test('leaves an idle connection alone, however long nothing is sent', async () => {
  await using pair = await openGuardedPair()
  pair.writer.write('one event')
  await pair.pass(3_600_000)
  await pair.pass(3_600_000)
  expect(pair.writer.destroyed).toBe(false)
})

test('leaves a reader alone that takes enough, although there is always more pending', async () => {
  await using pair = await openGuardedPair()
  pair.writer.write(flood)
  for (let round = 0; round < 5; round += 1) {
    // More than the kernel keeps for both ends, so that the writer feels it.
    await take(pair.reader, 10 * 1_024 * 1_024)
    await pair.pass(windowMs - 1)
  }
  expect(pair.writer.writableLength).toBeGreaterThan(0)
  expect(pair.writer.destroyed).toBe(false)
})
