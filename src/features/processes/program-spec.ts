/** How one program is to be run. */
export interface ProgramSpec {
  /** Unique among everything that runs; names the program in the ledger and in its log. */
  readonly id: string
  /** What logs, figures and turns are grouped by. */
  readonly owner: string
  /** Found on PATH, or absolute. Never given to a shell. */
  readonly command: string
  readonly args: readonly string[]
  /** Working folder; one of the owner's own below the data folder when undefined. */
  readonly cwd: string | undefined
  /** Added to the base environment; may replace a name of it. */
  readonly env: Readonly<Record<string, string>>
  readonly limits: ProgramLimits
  /** Run in a bubblewrap sandbox that sees no host files but the working folder; null for none. */
  readonly sandbox: { readonly network: boolean } | null
  readonly restart: RestartRule
}

/** Bounds on one run of a program. */
export interface ProgramLimits {
  /** Resident bytes of the whole tree; above it the program is restarted. null for no bound. */
  readonly memoryBytesMax: number | null
  /** CPU seconds of the whole tree in one run. null for no bound. */
  readonly cpuSecondsMax: number | null
  /** Longest line on stdout, bytes; a longer one is dropped and logged, never buffered. */
  readonly lineBytesMax: number
}

/** What happens after a crash; a program that ends by itself has crashed, whatever its exit code. */
export interface RestartRule {
  /** Start again by itself. Without it, the next `start` does. */
  readonly auto: boolean
  /** Restarts granted within `windowMs`; with one more crash the program counts as `crashed`. */
  readonly maxRestarts: number
  readonly windowMs: number
}

/** How a child ended, or why it never began. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: string | null
  /** The error of the spawn itself, e.g. `spawn foo ENOENT`, or the bound that was exceeded. */
  readonly error: string | null
  /** Last lines of stderr, oldest first, at most 20. */
  readonly stderr: readonly string[]
}
