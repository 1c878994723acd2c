import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { LimitWatch } from './limit-watch.ts'
import type { LogLevel } from './log-line.ts'
import { hasProcessTable } from './process-table.ts'
import { describeExit, programFailure } from './program-failure.ts'
import type { ChildExit, ProgramSpec } from './program-spec.ts'
import { createRestartPolicy } from './restart-policy.ts'
import type { BackoffConfig, RestartPolicy } from './restart-policy.ts'
import { startRun } from './run.ts'
import type { Child, Run, RunDeps, StopConfig } from './run.ts'
import type { StartQueue } from './start-queue.ts'
import { createCpuMeter, sumUsage } from './tree-figures.ts'
import type { CpuMeter } from './tree-figures.ts'

/** Where a program is in its life. Times are epoch ms. While it ends, crashed or stopped, it is `stopping` until its whole tree is gone. */
export type ProgramState =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting' }
  | { readonly state: 'running'; readonly pid: number; readonly startedAt: number }
  | { readonly state: 'backoff'; readonly retryAt: number; readonly exit: ChildExit }
  | { readonly state: 'crashed'; readonly exit: ChildExit }
  | { readonly state: 'stopping' }

/** Figures of a program that runs. */
interface ProgramFigures {
  readonly pid: number
  /** Per cent of one core since the last look, of the whole tree. */
  readonly cpuPercent: number
  /** Resident bytes of the whole tree. */
  readonly memoryBytes: number
  readonly uptimeMs: number
  readonly restarts: number
}

/** How to start a program. */
interface StartOptions {
  /** Forgets earlier crashes. */
  readonly force?: boolean
  /** Ends the wait of this caller; the program starts nevertheless. */
  readonly signal?: AbortSignal
}

/** A program under supervision. Disposing of it stops it. */
export interface Program extends AsyncDisposable {
  readonly state: ProgramState
  readonly restarts: number
  /**
   * Resolves with the running child, starting it where it is not; calls that come together share one start. Waits out a
   * backoff of up to a second. Rejects with `service_failed` (crash loop, spawn error, longer backoff, stopped
   * meanwhile), which carries the last lines of stderr.
   */
  start(options?: StartOptions): Promise<Child>
  /** Closes stdin, waits, SIGTERM, waits, SIGKILL to everything of the tree; resolves when it is gone. */
  stop(): Promise<void>
  /** Hears every change of state. Returns the function that ends it. */
  onChange(listener: (state: ProgramState) => void): () => void
  /** undefined unless it runs, and where there is no /proc. */
  figures(): Promise<ProgramFigures | undefined>
}

/** How programs are started and stopped. */
export interface ProgramConfig extends StopConfig, BackoffConfig {
  /** How long a program that prints nothing counts as starting, ms. */
  readonly startSlotMs: number
}

/** What a program needs. */
export interface ProgramDeps extends RunDeps {
  readonly clock: Clock
  /** Numbers from 0 to below 1. */
  readonly random: () => number
  readonly queue: StartQueue
  readonly limitWatch: LimitWatch
  /** Called once it is disposed of. */
  onDisposed(): void
}

const waitForBackoffMsMax = 1_000
const figuresAgeMsMax = 500

/** Begins to supervise a program, without starting it. */
export function createProgram(
  deps: ProgramDeps,
  spec: ProgramSpec,
  config: Live<ProgramConfig>,
): Program {
  return new SupervisedProgram(deps, spec, config)
}

interface CurrentRun {
  readonly run: Run
  /** Monotonic, ms. */
  readonly startedAt: number
  readonly cpu: CpuMeter
}

class SupervisedProgram implements Program {
  readonly #deps: ProgramDeps
  readonly #spec: ProgramSpec
  readonly #config: Live<ProgramConfig>
  readonly #policy: RestartPolicy
  readonly #listeners = new Set<(state: ProgramState) => void>()
  #state: ProgramState = { state: 'stopped' }
  #restarts = 0
  #current: CurrentRun | undefined
  /** The last start, whether it is under way, done or failed. */
  #started: Promise<Child> | undefined
  /** Resolves when the run that has crashed is gone, and what comes next is decided. */
  #ending: Promise<void> | undefined
  /** The stop under way. */
  #stopping: Promise<void> | undefined
  #retryTimer: NodeJS.Timeout | undefined
  /** Aborted by `stop`, which then is followed by a new one. */
  #life = new AbortController()
  #isDisposed = false

  constructor(deps: ProgramDeps, spec: ProgramSpec, config: Live<ProgramConfig>) {
    this.#deps = deps
    this.#spec = spec
    this.#config = config
    this.#policy = createRestartPolicy(deps, spec.restart, config)
  }

  get state(): ProgramState {
    return this.#state
  }

  get restarts(): number {
    return this.#restarts
  }

  async start({ force = false, signal }: StartOptions = {}): Promise<Child> {
    signal?.throwIfAborted()
    this.#deps.queue.touch(this.#spec.owner)
    const started = this.#startOrJoin(force)
    return await (signal ? unlessAborted(started, signal) : started)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopNow().finally(() => (this.#stopping = undefined))
    return this.#stopping
  }

  onChange(listener: (state: ProgramState) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async figures(): Promise<ProgramFigures | undefined> {
    const current = this.#current
    if (!current || !hasProcessTable) return undefined
    const { reader, clock } = this.#deps
    const table = await reader.readRecent(figuresAgeMsMax)
    const { memoryBytes, cpuMs } = sumUsage(current.run.tree.membersIn(table))
    if (this.#current !== current) return undefined
    const now = clock.elapsed()
    return {
      pid: current.run.pid,
      cpuPercent: current.cpu.measure(cpuMs, now),
      memoryBytes,
      uptimeMs: Math.round(now - current.startedAt),
      restarts: this.#restarts,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    await this.stop()
    this.#deps.onDisposed()
  }

  async #startOrJoin(force: boolean): Promise<Child> {
    const state = this.#state
    switch (state.state) {
      case 'running':
      case 'starting':
        return await (this.#started ?? this.#begin())
      case 'stopping':
        await (this.#stopping ?? this.#ending)
        return await this.#startOrJoin(force)
      case 'stopped':
        return await this.#begin()
      case 'crashed':
        if (!force) throw this.#failure(state.exit, '; it crashed too often')
        this.#policy.forget()
        return await this.#begin()
      case 'backoff':
        if (force) this.#policy.forget()
        else await this.#waitForRetry(state)
        // Meanwhile somebody else may have started it.
        return this.#state === state ? await this.#begin() : await this.#startOrJoin(force)
    }
  }

  async #waitForRetry({ retryAt, exit }: Extract<ProgramState, { state: 'backoff' }>) {
    const waitMs = retryAt - this.#deps.clock.now()
    if (waitMs <= 0) return
    if (waitMs > waitForBackoffMsMax) {
      throw this.#failure(exit, '; it is about to be started again', waitMs)
    }
    const { signal } = this.#life
    await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  }

  /** Starts, whatever the state; to be called in one in which nothing runs. */
  #begin(): Promise<Child> {
    if (this.#isDisposed) return Promise.reject(this.#stoppedMeanwhile())
    clearTimeout(this.#retryTimer)
    if (this.#state.state === 'backoff' || this.#state.state === 'crashed') this.#restarts += 1
    const started = this.#launch(this.#life.signal)
    this.#started = started
    this.#enter('starting')
    return started
  }

  async #launch(life: AbortSignal): Promise<Child> {
    const { clock, queue, limitWatch } = this.#deps
    const endTurn = await queue.takeTurn(this.#spec.owner, life)
    // A program counts as starting until it says something, because only then its load is over.
    const turnTimer = setTimeout(endTurn, this.#config().startSlotMs)
    const yieldTurn = () => {
      clearTimeout(turnTimer)
      endTurn()
    }
    const run = await startRun(this.#deps, this.#spec, {
      config: this.#config,
      onFirstOutput: yieldTurn,
    }).catch((error: Error) => {
      yieldTurn()
      if (life.aborted) throw life.reason
      const exit = { code: null, signal: null, error: error.message, stderr: [] }
      this.#settleCrash(exit, 0)
      throw this.#failure(exit, '')
    })
    void run.ended.then(yieldTurn)
    if (life.aborted) {
      await run.stop()
      throw life.reason
    }
    const startedAt = clock.elapsed()
    this.#current = { run, startedAt, cpu: createCpuMeter(startedAt) }
    this.#log('info', `started with pid ${run.pid}`)
    this.#enter({ state: 'running', pid: run.pid, startedAt: clock.now() })
    const { limits } = this.#spec
    const unwatch = limitWatch.watch({ tree: run.tree, limits, onExceeded: (why) => run.fail(why) })
    void run.ended.then(() => {
      unwatch()
      const current = this.#current
      if (current?.run === run && !this.#stopping) this.#ending = this.#endCrashed(current)
    })
    return run
  }

  async #stopNow(): Promise<void> {
    this.#life.abort(this.#stoppedMeanwhile())
    this.#life = new AbortController()
    clearTimeout(this.#retryTimer)
    this.#policy.forget()
    if (this.#state.state === 'stopped') return
    const current = this.#current
    this.#enter('stopping')
    // A start that is aborted ends what it has begun before it rejects.
    await this.#started?.catch(() => {})
    await current?.run.stop()
    await this.#ending
    this.#current = undefined
    this.#log('info', 'stopped')
    this.#enter('stopped')
  }

  /** Sees a run to its end that has ended by itself. */
  async #endCrashed({ run, startedAt }: CurrentRun): Promise<void> {
    const ranMs = this.#deps.clock.elapsed() - startedAt
    this.#enter('stopping')
    const exit = await run.exited
    this.#ending = undefined
    // What is stopped while it crashes is stopped: the rest is done there.
    if (this.#stopping) return
    this.#current = undefined
    this.#settleCrash(exit, ranMs)
  }

  #settleCrash(exit: ChildExit, ranMs: number): void {
    const decision = this.#policy.countCrash(ranMs)
    if (decision.verdict === 'give-up') {
      this.#log('error', `${describeExit(exit)}; it crashed too often and is not started again`)
      this.#enter({ state: 'crashed', exit })
      return
    }
    const { delayMs } = decision
    const { auto } = this.#spec.restart
    const next = auto ? `it is started again in ${delayMs} ms` : 'the next call starts it again'
    this.#log('error', `${describeExit(exit)}; ${next}`)
    this.#enter({ state: 'backoff', retryAt: this.#deps.clock.now() + delayMs, exit })
    if (!auto) return
    this.#retryTimer = setTimeout(() => {
      // How that fails is told by the state.
      if (this.#state.state === 'backoff') this.#begin().catch(() => {})
    }, delayMs)
  }

  #enter(state: ProgramState | 'starting' | 'stopping' | 'stopped'): void {
    const next = typeof state === 'string' ? { state } : state
    if (typeof state === 'string' && state === this.#state.state) return
    this.#state = next
    for (const listener of this.#listeners) listener(next)
  }

  #log(level: LogLevel, message: string): void {
    const { id: programId, owner } = this.#spec
    this.#deps.logs.write(owner, { level, stream: 'system', message, programId })
  }

  #failure(exit: ChildExit, state: string, retryAfterMs?: number): AppError {
    const details = { state, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
    return programFailure(this.#spec.command, exit, details)
  }

  #stoppedMeanwhile(): AppError {
    return new AppError('service_failed', `The program ${this.#spec.command} was stopped.`)
  }
}

function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const giveUp = () => reject(signal.reason as Error)
  signal.addEventListener('abort', giveUp, { once: true })
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  return promise
}
