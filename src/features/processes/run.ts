import { randomBytes } from 'node:crypto'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import { planLaunch } from './launch-plan.ts'
import type { LaunchTools } from './launch-plan.ts'
import type { Ledger } from './ledger.ts'
import type { ProcessLogs } from './process-logs.ts'
import { readProcess } from './process-table.ts'
import type { ProcessTableReader } from './process-table.ts'
import { createProcessTree } from './process-tree.ts'
import type { ProcessTree } from './process-tree.ts'
import type { ChildExit, ProgramSpec } from './program-spec.ts'
import { spawnChild } from './spawn-child.ts'
import type { SpawnedChild } from './spawn-child.ts'
import { isDoneWithin } from './deadline.ts'

/** How long each step of stopping may take. */
export interface StopConfig {
  /** For a program to end by itself once its input is closed, ms. */
  readonly stopStdinMs: number
  /** From SIGTERM to SIGKILL, ms. */
  readonly stopTermMs: number
}

/** What runs need. */
export interface RunDeps {
  readonly tools: LaunchTools
  readonly ledger: Ledger
  readonly logs: ProcessLogs
  readonly reader: ProcessTableReader
  readonly log: Log
}

/** One run of a program: its standard streams, line by line. */
export interface Child {
  readonly pid: number
  /** Writes one line, newline added. Resolves at once unless the pipe is full; then when it has room. Rejects with `service_failed` once it is closed. */
  write(line: Uint8Array): Promise<void> | undefined
  /** Takes over stdout, one call a line without its newline. Lines that came earlier are delivered first. Only one reader. */
  read(onLine: (line: Buffer) => void): void
  /** Hears every line of stderr. Returns the function that ends it. */
  onStderr(listener: (line: string) => void): () => void
  /** Resolves when the whole tree is gone. */
  readonly exited: Promise<ChildExit>
}

/** A run as its program sees it. */
export interface Run extends Child {
  readonly tree: ProcessTree
  /** Resolves when the process itself has ended. */
  readonly ended: Promise<unknown>
  /** Closes stdin, waits, SIGTERM to the tree, waits, SIGKILL to whoever is left. Resolves when the tree is gone, or will not go. */
  stop(): Promise<void>
  /** Kills the tree; `reason` becomes the error of the exit. */
  fail(reason: string): void
}

const stderrLinesKept = 20
/** What a program leaves behind when it ends by itself gets this long after SIGTERM. */
const leftoverMs = 1_000

/** Begins a run. `onFirstOutput` hears when the program says its first word on stdout. Rejects with why it does not begin. */
export async function startRun(
  deps: RunDeps,
  spec: ProgramSpec,
  {
    config,
    onFirstOutput,
  }: { readonly config: Live<StopConfig>; readonly onFirstOutput: () => void },
): Promise<Run> {
  const { ledger, reader, logs } = deps
  const { id, owner } = spec
  const marker = randomBytes(16).toString('hex')
  const stderr = createStderr((message) =>
    logs.write(owner, { level: 'info', stream: 'stderr', message, programId: id }),
  )
  const { lineBytesMax } = spec.limits
  const plan = await planLaunch(spec, deps.tools, marker)
  await ledger.begin(marker, { id, owner })
  const child = await spawnChild(plan, {
    lineBytesMax,
    onFirstOutput,
    onStderr: (line) => stderr.add(line),
    onLongLine: () =>
      logs.write(owner, {
        level: 'warn',
        stream: 'stdout',
        message: `dropped a line of stdout longer than ${lineBytesMax} bytes`,
        programId: id,
      }),
  }).catch(async (error: unknown) => {
    await ledger.remove(marker)
    throw error
  })
  const startTicks = readProcess(child.pid)?.startTicks
  const tree = createProcessTree({ pid: child.pid, startTicks, marker }, reader)
  await ledger.complete(marker, { id, owner, pid: child.pid, startTicks: startTicks ?? null })
  const ending = { reason: null as string | null }
  const exited = child.ended.then(async ({ code, signal }) => {
    await cleanUp(deps, { spec, marker, tree, child })
    return { code, signal, error: ending.reason, stderr: stderr.last() }
  })
  return {
    pid: child.pid,
    tree,
    write: (line) => child.write(line),
    read: (onLine) => child.read(onLine),
    onStderr: (listener) => stderr.listen(listener),
    ended: child.ended,
    exited,
    async stop() {
      if (await endChild({ child, tree }, config(), plan.isSandboxed)) await exited
    },
    fail(reason) {
      ending.reason ??= reason
      void tree.kill()
    },
  }
}

/** Resolves to whether the child has ended. */
async function endChild(
  { child, tree }: { readonly child: SpawnedChild; readonly tree: ProcessTree },
  { stopStdinMs, stopTermMs }: StopConfig,
  spareRoot: boolean,
): Promise<boolean> {
  await tree.remember()
  child.closeInput()
  if (await isDoneWithin(child.ended, stopStdinMs)) return true
  await tree.signal('SIGTERM', { spareRoot })
  if (await isDoneWithin(child.ended, stopTermMs)) return true
  return await tree.kill()
}

/** Ends what the program has left behind, closes its streams and strikes it off the ledger. */
async function cleanUp(
  { ledger, log }: RunDeps,
  {
    spec,
    marker,
    tree,
    child,
  }: {
    readonly spec: ProgramSpec
    readonly marker: string
    readonly tree: ProcessTree
    readonly child: SpawnedChild
  },
): Promise<void> {
  const isGone = await tree.end(leftoverMs)
  await child.closeOutput()
  // What would not die stays in the ledger: the next start tries again.
  if (isGone) await ledger.remove(marker)
  else log.error({ program: spec.id }, 'what a program started could not be ended')
}

function createStderr(write: (line: string) => void) {
  const listeners = new Set<(line: string) => void>()
  const last: string[] = []
  return {
    add(line: string) {
      last.push(line)
      if (last.length > stderrLinesKept) last.shift()
      write(line)
      for (const listener of listeners) listener(line)
    },
    listen(listener: (line: string) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    last: () => [...last],
  }
}
