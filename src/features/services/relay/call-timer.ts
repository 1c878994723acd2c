/** How long a call may take, ms. */
export interface CallLimits {
  /** Without a sign of life from the server. */
  readonly silenceMs: number
  /** In all, but for the time in which the client was asked. */
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
  let questions = 0
  let askedAt = 0
  let askedMs = 0
  let isOver = false
  let timer = setTimeout(expire, Math.min(limits.silenceMs, limits.totalMs))
  const arm = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(expire, ms)
  }
  const leftMs = () => limits.totalMs + askedMs - (performance.now() - startedAt)

  function stop(): void {
    isOver = true
    clearTimeout(timer)
  }

  function expire(): void {
    stop()
    onExpired()
  }

  return {
    touch() {
      if (isOver || questions > 0) return
      const left = leftMs()
      if (left <= 0) expire()
      else if (left < limits.silenceMs) arm(left)
      else timer.refresh()
    },
    pause() {
      if (isOver) return
      if (questions === 0) askedAt = performance.now()
      questions += 1
      arm(limits.answerMs)
    },
    resume() {
      // The client may still answer when the call is over.
      if (isOver || questions === 0) return
      questions -= 1
      if (questions > 0) return
      askedMs += performance.now() - askedAt
      arm(Math.min(limits.silenceMs, leftMs()))
    },
    stop,
  }
}
