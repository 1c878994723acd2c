/**
 * The load of the model benchmarks, in a process of its own. Takes one job after another over IPC and answers each
 * with a report, or with what went wrong; a single wrong answer fails the job.
 */
import { connect } from 'node:net'
import { createResponseReader } from './response-reader.ts'
import { answerBody, doneEvent, requestBodies, streamBytes } from './traffic.ts'
import type { RequestBody } from './traffic.ts'

/** One run of load against one server. */
export interface LoadJob {
  readonly port: number
  readonly key: string
  readonly body: RequestBody
  /** `undefined` for answers that do not stream. */
  readonly streamChunks?: number
  readonly connections: number
  /** Ends after so many requests, or after so long, whichever comes first; what has begun is finished. */
  readonly requestsMax: number
  readonly durationMs: number
  /** The connections begin one after another, spread over this time. */
  readonly rampMs: number
}

/** What one run of load has seen. */
export interface LoadReport {
  readonly requests: number
  readonly elapsedMs: number
  /** From the request to the end of its answer, ms. */
  readonly latencyP50Ms: number
  /** From the request to the first byte of the body, ms. */
  readonly firstChunkP50Ms: number
  /** The longest silence within any answer, ms. */
  readonly gapMaxMs: number
}

/** What comes back over IPC for one job. */
export type LoadResult = { readonly report: LoadReport } | { readonly failure: string }

const overtimeMs = 30_000

process.on('message', (job: LoadJob) => {
  runJob(job).then(
    (report) => process.send?.({ report } satisfies LoadResult),
    (error: unknown) => process.send?.({ failure: String(error) } satisfies LoadResult),
  )
})

async function runJob(job: LoadJob): Promise<LoadReport> {
  const run = { job, started: performance.now(), begun: 0, gapMaxMs: 0 }
  const samples: Sample[] = []
  const overtime = AbortSignal.timeout(job.durationMs + job.rampMs + overtimeMs)
  await Promise.all(
    Array.from({ length: job.connections }, (_, index) =>
      drive({ run, samples, signal: overtime, delayMs: (index * job.rampMs) / job.connections }),
    ),
  )
  if (samples.length === 0) throw new Error('Not one request was made')
  return {
    requests: samples.length,
    elapsedMs: performance.now() - run.started,
    latencyP50Ms: middle(samples.map((sample) => sample.latencyMs)),
    firstChunkP50Ms: middle(samples.map((sample) => sample.firstChunkMs)),
    gapMaxMs: run.gapMaxMs,
  }
}

interface Sample {
  readonly latencyMs: number
  readonly firstChunkMs: number
}

interface Driver {
  readonly run: { job: LoadJob; started: number; begun: number; gapMaxMs: number }
  readonly samples: Sample[]
  readonly signal: AbortSignal
  readonly delayMs: number
}

/** Keeps one connection busy until the job is over. */
async function drive({ run, samples, signal, delayMs }: Driver): Promise<void> {
  const { job } = run
  const request = formatRequest(job)
  const check = createCheck(job)
  const over = Promise.withResolvers<void>()
  const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true })
  let sentAt = 0
  let firstAt = 0
  let lastAt = 0

  const next = () => {
    const elapsedMs = performance.now() - run.started
    if (run.begun >= job.requestsMax || elapsedMs >= job.durationMs + job.rampMs) {
      over.resolve()
      return
    }
    run.begun += 1
    sentAt = performance.now()
    firstAt = 0
    socket.write(request)
  }
  const read = createResponseReader({
    onBody: (piece) => {
      const now = performance.now()
      if (firstAt === 0) firstAt = now
      else run.gapMaxMs = Math.max(run.gapMaxMs, now - lastAt)
      lastAt = now
      check.take(piece)
    },
    onEnd: () => {
      check.finish()
      samples.push({ latencyMs: performance.now() - sentAt, firstChunkMs: firstAt - sentAt })
      next()
    },
  })
  socket.on('data', (piece) => attempt(() => read(piece), over.reject))
  socket.on('error', over.reject)
  socket.on('close', () => over.reject(new Error('The server closed the connection')))
  signal.addEventListener('abort', () => over.reject(new Error('The job took far too long')))
  socket.on('connect', () => setTimeout(next, delayMs))
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

function formatRequest(job: LoadJob): Buffer {
  const body = requestBodies[job.body]
  const head =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${job.port}\r\n` +
    `authorization: Bearer ${job.key}\r\ncontent-type: application/json\r\naccept: application/json\r\n` +
    `user-agent: OpenAI/JS 6.0.0\r\nx-stainless-lang: js\r\nx-stainless-retry-count: 0\r\n` +
    `content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** Compares answers with what was prepared: byte for byte, or for a stream its length and its end. */
function createCheck(job: LoadJob) {
  const chunks = job.streamChunks
  const expected = chunks === undefined ? answerBody.length : streamBytes(chunks)
  const end = Buffer.from(doneEvent)
  let length = 0
  let tail: Buffer = Buffer.alloc(0)
  return {
    take: (piece: Buffer) => {
      length += piece.length
      const enough = chunks === undefined ? expected : end.length
      tail =
        piece.length >= enough
          ? piece.subarray(-enough)
          : Buffer.concat([tail, piece]).subarray(-enough)
    },
    finish: () => {
      if (length !== expected)
        throw new Error(`An answer of ${length} instead of ${expected} bytes`)
      if (!tail.equals(chunks === undefined ? answerBody : end)) throw new Error('A wrong answer')
      length = 0
    },
  }
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
