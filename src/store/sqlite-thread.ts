import { getCompileCacheDir } from 'node:module'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { AppError } from '../lib/errors.ts'
import { toSqliteError } from './fault.ts'
import type {
  SqlOutcome,
  SqlStatement,
  SqliteAnswer,
  SqliteCall,
  SqliteWorkerData,
} from './sqlite-worker.ts'

/** One SQLite connection in a thread of its own. Calls are answered in order. Disposing waits for those under way. */
export interface SqliteThread extends AsyncDisposable {
  run(statement: SqlStatement): Promise<SqlOutcome>
  /** Runs all statements in one transaction, in one message: either every one of them takes effect or none. */
  runAtomic(statements: readonly SqlStatement[]): Promise<void>
  /** Ends the open transaction, if there is still one. */
  rollback(): Promise<void>
}

// Node runs the sources and the built files alike, but only import specifiers are rewritten when building.
const workerScript = new URL(
  import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js',
  import.meta.url,
)

/**
 * Opens the database file, which must exist (it may be empty), in a new thread.
 * Every call rejects with what `toSqliteError` says; with `storage_failed` once the thread is gone.
 * `script` is what runs in the thread.
 */
export async function startSqliteThread(
  file: string,
  script = workerScript,
): Promise<SqliteThread> {
  const worker = new Worker(script, {
    workerData: { file } satisfies SqliteWorkerData,
    // Flags of the process, such as --watch or --input-type, are not meant for this thread.
    execArgv: [],
    env: compileCacheEnvironment(),
  })
  const calls = createCalls((call) => worker.postMessage(call))
  const exited = Promise.withResolvers<void>()
  worker.on('message', (answer: SqliteAnswer) => calls.settle(answer))
  worker.on('error', (cause) => calls.failAll(cause))
  worker.on('exit', () => {
    calls.failAll(new Error('The thread has ended.'))
    exited.resolve()
  })

  const thread: SqliteThread = {
    run: async (statement) => {
      const [outcome] = await calls.send('run', [statement])
      return outcome as SqlOutcome
    },
    runAtomic: async (statements) => void (await calls.send('atomic', statements)),
    rollback: async () => void (await calls.send('rollback', [])),
    [Symbol.asyncDispose]: async () => {
      worker.postMessage('close')
      await exited.promise
    },
  }
  await thread.run({ sql: 'select 1', parameters: [] })
  return thread
}

/**
 * All of the environment the thread sees. A compile cache is not inherited, and without it the thread would load a
 * compiler of its own for this one TypeScript file: some 17 MB and 40 ms.
 */
function compileCacheEnvironment(): NodeJS.ProcessEnv {
  const versioned = getCompileCacheDir()
  return versioned === undefined ? {} : { NODE_COMPILE_CACHE: path.dirname(versioned) }
}

interface Pending {
  resolve(outcomes: readonly SqlOutcome[]): void
  reject(error: AppError): void
}

function createCalls(post: (call: SqliteCall) => void) {
  const pending = new Map<number, Pending>()
  let failure: AppError | undefined
  let lastId = 0

  return {
    async send(mode: SqliteCall['mode'], statements: readonly SqlStatement[]) {
      if (failure) throw failure
      const { promise, resolve, reject } = Promise.withResolvers<readonly SqlOutcome[]>()
      const id = (lastId += 1)
      // First the message: a parameter that cannot be cloned throws, and then no answer is due.
      post({ id, mode, statements })
      pending.set(id, { resolve, reject })
      return promise
    },
    settle(answer: SqliteAnswer) {
      const call = pending.get(answer.id)
      pending.delete(answer.id)
      if ('fault' in answer) call?.reject(toSqliteError(answer.fault))
      else call?.resolve(answer.outcomes)
    },
    failAll(cause: unknown) {
      failure ??= new AppError('storage_failed', 'The database is not open.', { cause })
      for (const call of pending.values()) call.reject(failure)
      pending.clear()
    },
  }
}
