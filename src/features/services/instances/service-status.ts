/** Where a service is. A service that starts on demand and has nothing to do is `idle`. Times are epoch ms. */
export type ServiceStatus = {
  readonly state: 'stopped' | 'idle' | 'starting' | 'running' | 'backoff' | 'crashed'
  /** Children or upstream sessions that are open. */
  readonly instances: number
  readonly callsRunning: number
  /** Why it last failed; null once it works again. */
  readonly lastError: string | null
  /** Last lines of stderr where it crashed. */
  readonly stderr: readonly string[]
  readonly restarts: number
  /** Whether a real request was answered in time, and when that was last tried; null before. */
  readonly health: {
    readonly isHealthy: boolean
    readonly at: number
    readonly latencyMs: number | null
  } | null
}

/** Figures of everything that runs of a service, summed up. */
export interface ServiceFigures {
  /** Of the first child; null where nothing of ours runs. */
  readonly pid: number | null
  readonly cpuPercent: number
  readonly memoryBytes: number
  readonly uptimeMs: number
  readonly restarts: number
}
