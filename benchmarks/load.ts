import { connect } from 'node:net'
import { createResponseReader } from './response-reader.ts'

/** One run of load against one server, whatever it is that is asked. */
export interface LoadPlan {
  readonly port: number
  readonly connections: number
  /** Ends after so many requests, or after so long, whichever comes first; what has begun is finished. */
  readonly requestsMax: number
  readonly durationMs: number
  /** The connections begin one after another, spread over this time. */
  readonly rampMs: number
  /** Of all connections together. Without it each asks again as soon as it is answered. */
  readonly ratePerSecond?: number
}

/** What one run of load has seen. */
export interface LoadReport {
  readonly requests: number
  readonly elapsedMs: number
  /** From the request, or from when it was due if the connection was still busy then, to the end of its answer, ms. */
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
  /** From the request to the first byte of the body, ms. */
  readonly firstChunkP50Ms: number
  /** The longest silence within any answer, ms. */
  readonly gapMaxMs: number
}

/** What comes back over IPC for one job. */
export type LoadResult = { readonly report: LoadReport } | { readonly failure: string }

/** What one connection says and expects, one request after another. `take` and `finish` throw on a wrong answer. */
export interface Exchange {
  /** The next request, head and body. */
  next(): Buffer
  /** Takes a piece of the body of its answer. */
  take(piece: Buffer): void
  /** The answer is complete. */
  finish(): void
}

const overtimeMs = 30_000

/**
 * Makes this process a load generator: takes one job after another over IPC and answers each with a report, or with
 * what went wrong; a single wrong answer fails the job.
 */
export function serveJobs<Job extends LoadPlan>(createExchange: (job: Job) => Exchange): void {
  process.on('message', (job: Job) => {
    runLoad(job, () => createExchange(job)).then(
      (report) => process.send?.({ report } satisfies LoadResult),
      (error: unknown) => process.send?.({ failure: String(error) } satisfies LoadResult),
    )
  })
}

async function runLoad(plan: LoadPlan, createExchange: () => Exchange): Promise<LoadReport> {
  const run = { plan, started: performance.now(), begun: 0, gapMaxMs: 0 }
  const samples: Sample[] = []
  const overtime = AbortSignal.timeout(plan.durationMs + plan.rampMs + overtimeMs)
  await Promise.all(
    Array.from({ length: plan.connections }, (_, index) =>
      drive({
        run,
        samples,
        signal: overtime,
        delayMs: (index * rampOf(plan)) / plan.connections,
        exchange: createExchange(),
      }),
    ),
  )
  if (samples.length === 0) throw new Error('Not one request was made')
  const latencies = samples.map((sample) => sample.latencyMs).toSorted((a, b) => a - b)
  const firstChunks = samples.map((sample) => sample.firstChunkMs).toSorted((a, b) => a - b)
  return {
    requests: samples.length,
    elapsedMs: performance.now() - run.started,
    latencyP50Ms: quantile(latencies, 0.5),
    latencyP99Ms: quantile(latencies, 0.99),
    firstChunkP50Ms: quantile(firstChunks, 0.5),
    gapMaxMs: run.gapMaxMs,
  }
}

interface Sample {
  readonly latencyMs: number
  readonly firstChunkMs: number
}

interface Driver {
  readonly run: { plan: LoadPlan; started: number; begun: number; gapMaxMs: number }
  readonly samples: Sample[]
  readonly signal: AbortSignal
  readonly delayMs: number
  readonly exchange: Exchange
}

/** At a fixed rate the connections take turns instead of asking all at once. */
function rampOf(plan: LoadPlan): number {
  return plan.rampMs + intervalOf(plan)
}

function intervalOf({ connections, ratePerSecond }: LoadPlan): number {
  return ratePerSecond === undefined ? 0 : (connections * 1000) / ratePerSecond
}

/** Keeps one connection busy until the job is over. */
async function drive({ run, samples, signal, delayMs, exchange }: Driver): Promise<void> {
  const { plan } = run
  const intervalMs = intervalOf(plan)
  const over = Promise.withResolvers<void>()
  const socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true })
  let dueAt = 0
  let sentAt = 0
  let firstAt = 0
  let lastAt = 0

  const next = (startAt: number) => {
    if (run.begun >= plan.requestsMax || startAt - run.started >= plan.durationMs + plan.rampMs) {
      over.resolve()
      return
    }
    run.begun += 1
    sentAt = startAt
    firstAt = 0
    dueAt = startAt + intervalMs
    socket.write(exchange.next())
  }
  const proceed = () => {
    const now = performance.now()
    // Late ones count from when they were due: a slow answer must not hide the requests behind it.
    if (now >= dueAt) next(intervalMs === 0 ? now : dueAt)
    else setTimeout(() => next(performance.now()), dueAt - now)
  }
  const read = createResponseReader({
    onBody: (piece) => {
      const now = performance.now()
      if (firstAt === 0) firstAt = now
      else run.gapMaxMs = Math.max(run.gapMaxMs, now - lastAt)
      lastAt = now
      exchange.take(piece)
    },
    onEnd: () => {
      exchange.finish()
      samples.push({ latencyMs: performance.now() - sentAt, firstChunkMs: firstAt - sentAt })
      proceed()
    },
  })
  socket.on('data', (piece) => attempt(() => read(piece), over.reject))
  socket.on('error', over.reject)
  socket.on('close', () => over.reject(new Error('The server closed the connection')))
  signal.addEventListener('abort', () => over.reject(new Error('The job took far too long')))
  socket.on('connect', () => setTimeout(() => next(performance.now()), delayMs))
  await over.promise.finally(() => socket.destroy())
}

/** Runs what throws on a wrong answer, from where a throw would otherwise end the process without a report. */
function attempt(step: () => void, fail: (error: unknown) => void): void {
  try {
    step()
  } catch (error) {
    fail(error)
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN
}
