import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'

/** When a reader counts as too slow. */
export interface SlowReadLimits {
  readonly bytesPerSecondMin: number
  readonly windowMs: number
}

/** Cuts connections whose peer does not read what is waiting for it. Disposing stops the watch and leaves the connections alone. */
export interface SlowReadGuard extends Disposable {
  /** Watches a connection until it closes. Whatever is written to it counts: responses, streams, tunnelled frames. */
  track(socket: Socket): void
}

/** What a connection had sent when its pending bytes were last seen to move well enough. */
interface Mark {
  at: number
  bytes: number
}

const checksPerWindow = 5

/**
 * Creates the guard. A connection is destroyed when bytes have been pending on it for a whole window in which fewer than
 * `bytesPerSecondMin` a second went out. One with nothing pending is idle, not slow, however long: an event stream without events lives on.
 * A timer for "no bytes at all" would not do, for a reader that takes one byte at a time never trips it.
 * One timer serves all connections; `onCut` hears of each that was cut.
 */
export function createSlowReadGuard(
  { clock, onCut }: { readonly clock: Pick<Clock, 'elapsed'>; readonly onCut?: () => void },
  { bytesPerSecondMin, windowMs }: SlowReadLimits,
): SlowReadGuard {
  const marks = new Map<Socket, Mark>()
  const windowBytesMin = (bytesPerSecondMin * windowMs) / 1_000

  const check = () => {
    const now = clock.elapsed()
    for (const [socket, mark] of marks) {
      const sent = bytesSent(socket)
      if (socket.writableLength === 0 || sent - mark.bytes >= windowBytesMin) {
        mark.at = now
        mark.bytes = sent
      } else if (now - mark.at >= windowMs) {
        socket.destroy()
        onCut?.()
      }
    }
  }
  const timer = setInterval(check, windowMs / checksPerWindow).unref()

  return {
    track(socket) {
      marks.set(socket, { at: clock.elapsed(), bytes: bytesSent(socket) })
      socket.once('close', () => marks.delete(socket))
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      marks.clear()
    },
  }
}

/**
 * Bytes the kernel has taken. The public figures move only when a whole write is through, and a large answer can be a single write,
 * so this looks at the handle, as Node's own idle timer does.
 */
function bytesSent(socket: Socket & { _handle?: WriteCounters | null }): number {
  const handle = socket._handle
  if (handle === undefined || handle === null) return socket.bytesWritten - socket.writableLength
  return handle.bytesWritten - handle.writeQueueSize
}

interface WriteCounters {
  readonly bytesWritten: number
  readonly writeQueueSize: number
}
