import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { pickBaseEnvironment } from './base-environment.ts'
import { findLaunchTools } from './launch-plan.ts'
import { openLedger } from './ledger.ts'
import { createLimitWatch } from './limit-watch.ts'
import type { LogsConfig } from './owner-log.ts'
import { createProcessLogs } from './process-logs.ts'
import type { ProcessLogs } from './process-logs.ts'
import { createProcessTableReader } from './process-table.ts'
import { createProgram } from './program.ts'
import type { Program, ProgramConfig } from './program.ts'
import type { ProgramSpec } from './program-spec.ts'
import { findSandbox, isInFolder } from './sandbox.ts'
import { createStartQueue } from './start-queue.ts'

/** What the supervision of processes needs. */
export interface ProcessesDeps {
  /** Folder in which the ledger, the logs and working folders are. */
  readonly dataDir: string
  /** Our own environment; of it, children get a short list of names and nothing else. */
  readonly baseEnvironment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
  /** Numbers from 0 to below 1, for jitter. */
  readonly random: () => number
}

/** What can be configured about processes. */
export interface ProcessesConfig extends ProgramConfig, LogsConfig {
  /** Programs that may be starting at the same time; 0 for as many as there are processors, and at least 2. */
  readonly startsMax: number
  /** How often bounded programs are looked at, ms. */
  readonly watchMs: number
}

/** Programs under supervision, and their logs. Disposing of it stops all programs at once and writes their last lines. */
export interface Processes extends AsyncDisposable {
  /**
   * Begins to supervise a program, without starting it. Throws `invalid_request` when a sandbox is asked for and there is
   * none, or when its working folder would show it more than its own; `service_failed` once this is being disposed of.
   */
  supervise(spec: ProgramSpec): Program
  /** Whether bubblewrap works on this machine. */
  readonly canSandbox: boolean
  readonly logs: ProcessLogs
}

const startsMaxMin = 2

/**
 * Ends what an earlier process left behind, finds out what the machine offers, and returns the feature. There must be
 * no other process with the same data folder.
 */
export async function openProcesses(
  deps: ProcessesDeps,
  config: Live<ProcessesConfig>,
): Promise<Processes> {
  const { clock, log, random } = deps
  const dataDir = resolve(deps.dataDir)
  const baseEnvironment = pickBaseEnvironment(deps.baseEnvironment)
  const path = baseEnvironment['PATH'] ?? ''
  const [ledger, limiters, found] = await Promise.all([
    openLedger(join(dataDir, 'processes'), log),
    findLaunchTools(path),
    findSandbox(path),
  ])
  const sandbox = 'sandbox' in found ? found.sandbox : undefined
  const reader = createProcessTableReader()
  const limitWatch = createLimitWatch({ reader, log }, () => config().watchMs)
  const logs = createProcessLogs({ folder: join(dataDir, 'logs'), clock, log }, config)
  const queue = createStartQueue(() => startsMax(config()))
  const tools = {
    ...limiters,
    sandbox,
    baseEnvironment,
    workFolder: join(dataDir, 'programs'),
    hiddenFolder: dataDir,
  }
  const shared = { clock, log, random, reader, limitWatch, logs, queue, ledger, tools }
  const programs = new Set<Program>()
  let isClosing = false

  return {
    canSandbox: sandbox !== undefined,
    logs,
    supervise(spec) {
      if (isClosing) throw new AppError('service_failed', 'Portico is shutting down.')
      if (spec.sandbox && 'missing' in found) throw new AppError('invalid_request', found.missing)
      if (spec.sandbox) refuseRevealingFolder(spec, dataDir)
      const program = createProgram(
        { ...shared, onDisposed: () => void programs.delete(program) },
        spec,
        config,
      )
      programs.add(program)
      return program
    },
    async [Symbol.asyncDispose]() {
      isClosing = true
      await Promise.all([...programs].map((program) => program[Symbol.asyncDispose]()))
      limitWatch[Symbol.dispose]()
      await logs[Symbol.asyncDispose]()
    },
  }
}

function startsMax(config: ProcessesConfig): number {
  return config.startsMax || Math.max(startsMaxMin, availableParallelism())
}

/** The working folder is all that a sandboxed program sees of the host: our own data must not lie in it. */
function refuseRevealingFolder({ cwd }: ProgramSpec, dataDir: string): void {
  if (cwd === undefined || !isInFolder(resolve(cwd), dataDir)) return
  throw new AppError(
    'invalid_request',
    'The working folder of a sandboxed program must not contain the data folder of Portico.',
    { param: 'cwd' },
  )
}
