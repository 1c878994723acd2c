import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'
import type { LaunchPlan } from './launch-plan.ts'
import { createLineSplitter } from './line-splitter.ts'
import { isDoneWithin } from './deadline.ts'

/** Bound on and hearer of what a child prints. */
export interface ChildOutput {
  /** Longest line of stdout, bytes. */
  readonly lineBytesMax: number
  /** Called once, with the first bytes on stdout. */
  onFirstOutput(): void
  /** A line on stderr, cut when it is too long. */
  onStderr(line: string): void
  /** A line on stdout was too long and is skipped. */
  onLongLine(): void
}

/** A process of ours with its streams. It leads a process group of its own. */
export interface SpawnedChild {
  readonly pid: number
  /** Writes one line, newline added. Resolves at once unless the pipe is full; then when it has room. Rejects once it is closed. */
  write(line: Uint8Array): Promise<void> | undefined
  /** Takes over stdout, which is not read before. One call a line, without its newline. Only one reader. */
  read(onLine: (line: Buffer) => void): void
  /** Resolves when the process itself has ended; what descends from it may live on. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  closeInput(): void
  /** Waits until all output is read; for a moment only, because somebody who escaped may hold the pipes. Nothing is open afterwards. */
  closeOutput(): Promise<void>
}

const newline = Buffer.from('\n')
const stderrLineBytesMax = 8 * 1024
const drainMs = 1_000

/** Starts the process, without a shell. Rejects with the system’s error when it does not begin. */
export async function spawnChild(plan: LaunchPlan, output: ChildOutput): Promise<SpawnedChild> {
  const child = spawn(plan.file, plan.args, {
    cwd: plan.cwd,
    env: plan.env,
    shell: false,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  })
  // Later ones tell of a signal that could not be sent, and broken pipes are seen where they are written to.
  const ignore = () => {}
  for (const emitter of [child, child.stdin, child.stdout, child.stderr])
    emitter.on('error', ignore)
  const ended = Promise.withResolvers<Awaited<SpawnedChild['ended']>>()
  child.once('exit', (code, signal) => ended.resolve({ code, signal }))
  const closed = once(child, 'close').catch(ignore)
  readStderr(child, output)
  await once(child, 'spawn')

  const { stdin, stdout, stderr } = child
  return {
    pid: child.pid ?? 0,
    write: createLineWriter(stdin),
    read: (onLine) => readStdout(child, output, onLine),
    ended: ended.promise,
    closeInput: () => void stdin.end(),
    async closeOutput() {
      if (stdout.listenerCount('data') === 0) stdout.resume()
      await isDoneWithin(closed, drainMs)
      for (const stream of [stdin, stdout, stderr]) stream.destroy()
    },
  }
}

function createLineWriter(stdin: Writable): SpawnedChild['write'] {
  let room: Promise<void> | undefined
  return (line) => {
    if (!stdin.writable) return rejectQuietly()
    // Together they are one system call, and the line is not copied.
    stdin.cork()
    stdin.write(line)
    const hasRoom = stdin.write(newline)
    stdin.uncork()
    if (hasRoom) return undefined
    room ??= waitForRoom(stdin).finally(() => (room = undefined))
    room.catch(() => {})
    return room
  }
}

async function waitForRoom(stdin: Writable): Promise<void> {
  const over = new AbortController()
  const events = ['drain', 'close'].map((event) => once(stdin, event, { signal: over.signal }))
  await Promise.race(events).catch(() => {})
  over.abort()
  if (!stdin.writable) throw inputClosed()
}

/** A rejection that does no harm when nobody looks at it. */
function rejectQuietly(): Promise<never> {
  const rejected = Promise.reject<never>(inputClosed())
  rejected.catch(() => {})
  return rejected
}

function inputClosed(): AppError {
  return new AppError('service_failed', 'The program does not take input any more.')
}

function readStdout(
  { stdout }: ChildProcessWithoutNullStreams,
  output: ChildOutput,
  onLine: (line: Buffer) => void,
): void {
  if (stdout.listenerCount('data') > 0) throw new Error('stdout has a reader already')
  const splitter = createLineSplitter(output.lineBytesMax, {
    onLine,
    onTooLong: () => output.onLongLine(),
  })
  stdout.once('data', () => output.onFirstOutput())
  stdout.on('data', (chunk: Buffer) => splitter.push(chunk)).on('end', () => splitter.end())
}

function readStderr({ stderr }: ChildProcessWithoutNullStreams, output: ChildOutput): void {
  const splitter = createLineSplitter(stderrLineBytesMax, {
    onLine: (line) => output.onStderr(line.toString()),
    onTooLong: (head) => output.onStderr(`${head.toString()}…`),
  })
  stderr.on('data', (chunk: Buffer) => splitter.push(chunk)).on('end', () => splitter.end())
}
