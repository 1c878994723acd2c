import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { openProcesses } from '../../src/features/processes/processes.ts'
import type { Processes, ProcessesConfig } from '../../src/features/processes/processes.ts'
import { readProcess } from '../../src/features/processes/process-table.ts'
import type { Program, ProgramState } from '../../src/features/processes/program.ts'
import type { Child } from '../../src/features/processes/run.ts'
import type { ProgramSpec } from '../../src/features/processes/program-spec.ts'
import { systemClock } from '../../src/lib/clock.ts'

/** Short waits, and bounds that no test reaches by accident. */
const processesConfig: ProcessesConfig = {
  startsMax: 4,
  startSlotMs: 5_000,
  stopStdinMs: 200,
  stopTermMs: 500,
  backoffBaseMs: 1_000,
  backoffMaxMs: 60_000,
  backoffResetMs: 600_000,
  watchMs: 50,
  logBytesMax: 5 * 1024 * 1024,
  logLinesPerSecondMax: 50_000,
}

/** What a test may choose. */
export interface ProcessesOptions {
  readonly dataDir?: string
  readonly config?: Partial<ProcessesConfig>
  /** 0 by default: no wait between restarts. */
  readonly random?: () => number
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Creates an empty folder. Disposing of it removes it. */
export async function createFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'portico-processes-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Opens the supervision of processes with a data folder of its own, unless one is given. */
export async function openTestProcesses(
  options: ProcessesOptions = {},
): Promise<Processes & { readonly dataDir: string }> {
  await using scope = new AsyncDisposableStack()
  const dataDir = options.dataDir ?? scope.use(await createFolder()).path
  const config = { ...processesConfig, ...options.config }
  const processes = scope.use(
    await openProcesses(
      {
        dataDir,
        baseEnvironment: options.environment ?? process.env,
        clock: systemClock,
        log: pino({ enabled: false }),
        random: options.random ?? (() => 0),
      },
      () => config,
    ),
  )
  const owned = scope.move()
  return { ...processes, dataDir, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A program that runs `script` in Node.js. */
export function nodeProgram(script: string, fields: Partial<ProgramSpec> = {}): ProgramSpec {
  return {
    id: 'program',
    owner: 'service',
    command: process.execPath,
    args: ['-e', script],
    cwd: undefined,
    env: {},
    limits: { memoryBytesMax: null, cpuSecondsMax: null, lineBytesMax: 64 * 1024 },
    sandbox: null,
    restart: { auto: false, maxRestarts: 5, windowMs: 60_000 },
    ...fields,
  }
}

/** Lines of stdout, one after the other. The first call takes over the stream. */
export function readLines(child: Child): { next(): Promise<string>; readonly seen: string[] } {
  const seen: string[] = []
  let taken = 0
  child.read((line) => seen.push(line.toString()))
  return {
    seen,
    async next() {
      await until(() => seen.length > taken)
      taken += 1
      return seen[taken - 1] ?? ''
    },
  }
}

/** Resolves with the state when the program is in it. */
export async function reachState<Name extends ProgramState['state']>(
  program: Program,
  name: Name,
): Promise<Extract<ProgramState, { state: Name }>> {
  const { promise, resolve } = Promise.withResolvers<ProgramState>()
  const look = (state: ProgramState) => state.state === name && resolve(state)
  const end = program.onChange(look)
  look(program.state)
  return (await promise.finally(end)) as Extract<ProgramState, { state: Name }>
}

/** Resolves once the condition holds; rejects after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`It never came true: ${condition.toString()}`)
    await sleep(5)
  }
}

/** Whether the process runs; one that has ended and waits to be noticed does not. */
export function isRunning(pid: number): boolean {
  return readProcess(pid) !== undefined
}

/**
 * A script that answers every line of stdin with itself, and prints `ready <pid>` first. It starts `grandchildren`
 * that leave its session and ignore SIGTERM, and prints `grandchild <pid>` for each once that is so.
 */
export function echoScript({ grandchildren = 0, ignoresEnd = false } = {}): string {
  const grandchild =
    'process.on("SIGTERM", () => {}); process.stdout.write("up"); setInterval(() => {}, 1000)'
  return `
    ${ignoresEnd ? 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);' : ''}
    const { spawn } = require('node:child_process')
    const births = Array.from({ length: ${grandchildren} }, () => new Promise((born) => {
      const child = spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], {
        detached: true, stdio: ['ignore', 'pipe', 'ignore'],
      })
      child.unref()
      child.stdout.once('data', () => {
        child.stdout.destroy()
        console.log('grandchild ' + child.pid)
        born()
      })
    }))
    Promise.all(births).then(() => {
      console.log('ready ' + process.pid)
      process.stdin.pipe(process.stdout)
    })`
}
