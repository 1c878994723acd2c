import { Session } from 'node:inspector/promises'
import { performance } from 'node:perf_hooks'
import { memoryUsage } from 'node:process'

const checkEveryMs = 1000
// A collection pauses everything for some 60 ms, so nobody should be waiting.
const busyShareMax = 0.02
const growthBytesMin = 4 * 1024 * 1024

/** What the collection goes by; of use to tests alone. */
export interface IdleCollectionOptions {
  readonly everyMs?: number
  /** The share of the time since its last call that the event loop was busy. */
  readonly busyShare?: () => number
  readonly heapBytes?: () => number
  readonly collect?: () => Promise<void>
}

/**
 * Collects garbage once each time the process is idle after its heap has grown, until it is disposed of. V8 collects
 * when it needs room, so an idle process would keep what loading its code or a burst has left behind: 25 MB and more.
 */
export function collectWhenIdle(options: IdleCollectionOptions = {}): Disposable {
  const {
    everyMs = checkEveryMs,
    busyShare = createBusyShare(),
    heapBytes = () => memoryUsage().heapTotal,
    collect = collectGarbage,
  } = options
  let bytesLeft = 0
  const timer = setInterval(() => {
    if (busyShare() > busyShareMax || heapBytes() < bytesLeft + growthBytesMin) return
    bytesLeft = Infinity
    void collect().then(() => {
      bytesLeft = heapBytes()
    })
  }, everyMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function createBusyShare(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const current = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(current, last)
    last = current
    return utilization
  }
}

/** Asks through the inspector, which needs no flag of V8. */
async function collectGarbage(): Promise<void> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.collectGarbage')
  session.disconnect()
}
