import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { AppError } from '../../src/lib/errors.ts'
import type {
  Child,
  ChildExit,
  ProcessHost,
  Program,
  ProgramSpec,
} from '../../src/features/services/process-host.ts'
import type { Channel } from '../../src/features/services/wire/channel.ts'

/** A host that runs real programs in process groups of their own, and neither restarts, limits nor sandboxes them. */
export interface PlainProcessHost extends ProcessHost {
  /** What it was asked to run, in order. */
  readonly specs: readonly ProgramSpec[]
}

/** Makes one. `canSandbox` is what it says, not what it does. */
export function createPlainProcessHost({ canSandbox = true } = {}): PlainProcessHost {
  const specs: ProgramSpec[] = []
  return {
    specs,
    canSandbox,
    supervise(spec) {
      specs.push(spec)
      return createProgram(spec)
    },
  }
}

function createProgram({ command, args, env }: ProgramSpec): Program {
  let running: { child: Child; kill: () => void } | undefined
  return {
    state: { state: 'stopped' },
    restarts: 0,
    async start() {
      running ??= await startChild(command, args, { PATH: process.env['PATH'] ?? '', ...env })
      return running.child
    },
    async stop() {
      running?.kill()
      await running?.child.exited
    },
    onChange: () => () => undefined,
    figures: () => Promise.resolve(undefined),
    async [Symbol.asyncDispose]() {
      await this.stop()
    },
  }
}

async function startChild(command: string, args: readonly string[], env: Record<string, string>) {
  const child = spawn(command, args, { env, detached: true })
  const stderr = new Set<(line: string) => void>()
  createInterface(child.stderr).on('line', (line) => {
    for (const listener of stderr) listener(line)
  })
  const { promise: exited, resolve } = Promise.withResolvers<ChildExit>()
  child.on('close', (code, signal) => resolve({ code, signal, error: null, stderr: [] }))
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new AppError('service_failed', String(cause))
  })
  const pid = child.pid as number
  const face: Child = {
    pid,
    write: (line) => void child.stdin.write(Buffer.concat([line, Buffer.from('\n')])),
    read(onLine) {
      createInterface(child.stdout).on('line', (line) => onLine(Buffer.from(line)))
    },
    onStderr(listener) {
      stderr.add(listener)
      return () => stderr.delete(listener)
    },
    exited,
  }
  const kill = (): void => {
    // A group that is gone is as good as killed.
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
  }
  return { child: face, kill }
}

/** A channel over the standard streams of a child, which ends when the child does. Lines that are no JSON are noise. */
export function openPlainStdio(child: Child, onNoise: (line: string) => void): Channel {
  const closed = Promise.withResolvers<AppError | undefined>()
  void child.exited.then(() => closed.resolve(undefined))
  return {
    send: (bytes) => child.write(bytes),
    receive: (onMessage) =>
      child.read((line) => {
        if (line[0] === 0x7b) onMessage(line)
        else onNoise(line.toString())
      }),
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => closed.resolve(undefined),
  }
}
