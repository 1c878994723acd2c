import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Child, ChildExit } from '../../src/features/services/process-host.ts'

/** A child for tests that need a server on standard streams and no supervision. Disposing of it kills it. */
export interface TestChild extends Child, AsyncDisposable {
  kill(): void
}

/** Runs this very Node with `args`. */
export function startChild(args: readonly string[]): TestChild {
  const running = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = Promise.withResolvers<ChildExit>()
  running.once('error', ({ message }) => {
    exited.resolve({ code: null, signal: null, error: message, stderr: [] })
  })
  running.once('close', (code, signal) => {
    exited.resolve({ code, signal, error: null, stderr: [] })
  })
  running.stdin.on('error', () => {})
  const early: string[] = []
  let onLine: (line: string) => void = (line) => void early.push(line)
  createInterface({ input: running.stdout }).on('line', (line) => onLine(line))
  const errors = createInterface({ input: running.stderr })
  return {
    pid: running.pid ?? 0,
    write(line) {
      const hasRoom = running.stdin.write(Buffer.concat([line, Buffer.from('\n')]))
      if (hasRoom) return undefined
      return new Promise((resolve) => running.stdin.once('drain', resolve))
    },
    read(take) {
      onLine = (line) => take(Buffer.from(line))
      for (const line of early.splice(0)) onLine(line)
    },
    onStderr(listener) {
      errors.on('line', listener)
      return () => void errors.off('line', listener)
    },
    exited: exited.promise,
    kill: () => void running.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      running.kill('SIGKILL')
      await exited.promise
    },
  }
}
