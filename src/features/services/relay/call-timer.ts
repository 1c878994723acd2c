/** How long a call may take, ms. */
export interface CallLimits {
  /** Without a sign of life from the server. */
  readonly silenceMs: number
  readonly totalMs: number
  /** For a client that is asked something to answer. */
  readonly answerMs: number
}

/** Watches over one call. */
export interface CallTimer {
  /** The server gave a sign of life. */
  touch(): void
  /** The server waits for the client; `resume` when it has its answer. */
  pause(): void
  resume(): void
  stop(): void
}

/** Starts to watch; `onExpired` is called once, unless it is stopped before. */
export function startCallTimer(limits: CallLimits, onExpired: () => void): CallTimer {
  const startedAt = performance.now()
  let paused = 0
  let timer = setTimeout(expire, Math.min(limits.silenceMs, limits.totalMs))
  const arm = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(expire, ms)
  }

  function expire(): void {
    clearTimeout(timer)
    onExpired()
  }

  return {
    touch() {
      if (paused > 0) return
      if (performance.now() - startedAt > limits.totalMs) expire()
      else timer.refresh()
    },
    pause() {
      paused += 1
      arm(limits.answerMs)
    },
    resume() {
      paused -= 1
      if (paused === 0) arm(Math.min(limits.silenceMs, limits.totalMs))
    },
    stop: () => clearTimeout(timer),
  }
}
