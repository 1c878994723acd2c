/** The load of the model benchmarks, in a process of its own. */
import { serveJobs } from './load.ts'
import type { Exchange, LoadPlan } from './load.ts'
import { answerBody, doneEvent, requestBodies, streamBytes } from './traffic.ts'
import type { RequestBody } from './traffic.ts'

/** One run of load against one server. */
export interface ModelJob extends LoadPlan {
  readonly key: string
  readonly body: RequestBody
  /** `undefined` for answers that do not stream. */
  readonly streamChunks?: number
}

serveJobs((job: ModelJob): Exchange => {
  const request = formatRequest(job)
  return { next: () => request, ...createCheck(job) }
})

function formatRequest(job: ModelJob): Buffer {
  const body = requestBodies[job.body]
  const head =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${job.port}\r\n` +
    `authorization: Bearer ${job.key}\r\ncontent-type: application/json\r\naccept: application/json\r\n` +
    `user-agent: OpenAI/JS 6.0.0\r\nx-stainless-lang: js\r\nx-stainless-retry-count: 0\r\n` +
    `content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** Compares answers with what was prepared: byte for byte, or for a stream its length and its end. */
function createCheck(job: ModelJob) {
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
