import { expect, test, vi } from 'vitest'
import { collectWhenIdle } from './idle-collection.ts'

const MiB = 1024 * 1024

/** A process of which the test decides what it looks like; each look at its heap is counted. */
function createProcess() {
  const state = { busyShare: 0, heapBytes: 60 * MiB, looks: 0, collections: 0 }
  return {
    state,
    everyMs: 1,
    busyShare: () => {
      state.looks += 1
      return state.busyShare
    },
    heapBytes: () => state.heapBytes,
    async collect() {
      state.collections += 1
      state.heapBytes = 20 * MiB
    },
  }
}

async function tenMoreLooks(state: { readonly looks: number }): Promise<void> {
  const before = state.looks
  await vi.waitUntil(() => state.looks >= before + 10)
}

test('collects the garbage of the start once', async () => {
  const watched = createProcess()
  using _ = collectWhenIdle(watched)
  await tenMoreLooks(watched.state)
  expect(watched.state.collections).toBe(1)
})

test('collects again when the heap has grown and the work is over', async () => {
  const watched = createProcess()
  const { state } = watched
  using _ = collectWhenIdle(watched)
  await vi.waitUntil(() => state.collections === 1)
  state.busyShare = 0.5
  state.heapBytes = 90 * MiB
  await tenMoreLooks(state)
  expect(state.collections).toBe(1)
  state.busyShare = 0
  await vi.waitUntil(() => state.collections === 2)
})

test('V8 really collects', async () => {
  let dropped = false
  const registry = new FinalizationRegistry(() => {
    dropped = true
  })
  registry.register({}, undefined)
  using _ = collectWhenIdle({ everyMs: 1, busyShare: () => 0 })
  expect(await vi.waitUntil(() => dropped)).toBe(true)
})
