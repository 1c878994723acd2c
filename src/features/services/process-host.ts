/** How one program is to be run: what this feature asks of whoever supervises processes. */
export interface ProgramSpec {
  /** Unique among everything that runs; names the program in the ledger. */
  readonly id: string
  /** What logs and figures are grouped by: the id of the service. */
  readonly owner: string
  /** Found on PATH, or absolute. Never given to a shell. */
  readonly command: string
  readonly args: readonly string[]
  /** Working folder; the data folder of the owner when undefined. */
  readonly cwd: string | undefined
  /** Added to a short base list (PATH, HOME, LANG, TZ, TMPDIR …); nothing else of ours is passed on. */
  readonly env: Readonly<Record<string, string>>
  readonly limits: {
    /** Resident bytes of the whole tree; above it the program is restarted. null for no bound. */
    readonly memoryBytesMax: number | null
    /** CPU seconds of one run of the program. null for no bound. */
    readonly cpuSecondsMax: number | null
    /** Longest line on stdout, bytes; a longer one is dropped and logged, never buffered. */
    readonly lineBytesMax: number
  }
  /** Run in a bubblewrap sandbox that sees no host files but `cwd`; null for none. */
  readonly sandbox: { readonly network: boolean } | null
  readonly restart: {
    /** Start again by itself after a crash. Without it, the next `start` does. */
    readonly auto: boolean
    /** Crashes within `windowMs` after which the program counts as `crashed` until somebody starts it explicitly. */
    readonly maxRestarts: number
    readonly windowMs: number
  }
}

/** Where a program is in its life. Times are epoch ms. */
export type ProgramState =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting' }
  | { readonly state: 'running'; readonly pid: number; readonly startedAt: number }
  | { readonly state: 'backoff'; readonly retryAt: number; readonly exit: ChildExit }
  | { readonly state: 'crashed'; readonly exit: ChildExit }
  | { readonly state: 'stopping' }

/** How a child ended, or why it never began. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: string | null
  /** The error of the spawn itself, e.g. `spawn foo ENOENT`. */
  readonly error: string | null
  /** Last lines of stderr, oldest first, at most 20. */
  readonly stderr: readonly string[]
}

/** One run of a program: its standard streams, line by line. */
export interface Child {
  readonly pid: number
  /** Writes one line, newline added. Resolves at once unless the pipe is full; then when it has room. Rejects once it is closed. */
  write(line: Uint8Array): Promise<void> | undefined
  /** Takes over stdout, one call a line without its newline. Lines that came earlier are delivered first. Only one reader. */
  read(onLine: (line: Buffer) => void): void
  /** Hears every line of stderr. Returns the function that ends it. */
  onStderr(listener: (line: string) => void): () => void
  /** Resolves when the whole tree is gone. */
  readonly exited: Promise<ChildExit>
}

/** Figures of a program that runs. */
export interface ProgramFigures {
  readonly pid: number
  /** Per cent of one core since the last look, of the whole tree. */
  readonly cpuPercent: number
  /** Resident bytes of the whole tree. */
  readonly memoryBytes: number
  readonly uptimeMs: number
  readonly restarts: number
}

/** A program under supervision. Disposing of it stops it. */
export interface Program extends AsyncDisposable {
  readonly state: ProgramState
  readonly restarts: number
  /**
   * Resolves with the running child, starting it where it is not; calls that come together share one start. Waits out a
   * backoff of up to a second. Rejects with `service_failed` (crash loop, spawn error, longer backoff; details carry the
   * last lines of stderr). `force` forgets earlier crashes.
   */
  start(options?: { readonly force?: boolean; readonly signal?: AbortSignal }): Promise<Child>
  /** Closes stdin, waits, SIGTERM to the group, waits, SIGKILL to everything of the tree; resolves when it is gone. */
  stop(): Promise<void>
  /** Hears every change of state. Returns the function that ends it. */
  onChange(listener: (state: ProgramState) => void): () => void
  /** undefined unless it runs. */
  figures(): Promise<ProgramFigures | undefined>
}

/** What this feature is handed to run programs. */
export interface ProcessHost {
  /** Begins to supervise a program, without starting it. Throws `invalid_request` when a sandbox is asked for and there is none. */
  supervise(spec: ProgramSpec): Program
  /** Whether bubblewrap works on this machine. */
  readonly canSandbox: boolean
}
