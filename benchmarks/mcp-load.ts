/** The load of the benchmarks of services, in a process of its own: calls one tool, again and again. */
import { serveJobs } from './load.ts'
import type { Exchange, LoadPlan } from './load.ts'
import { formatMessage, headersOf, readMessage, toolText } from './mcp-traffic.ts'
import type { McpEndpoint } from './mcp-traffic.ts'

/** One run of calls against one server. */
export interface McpJob extends LoadPlan, McpEndpoint {
  readonly tool: string
  /** Of the legacy era; all connections share it. */
  readonly sessionId?: string
}

/** Ids of equal length, so that all requests of a job differ in nothing else. They are never used twice. */
let lastId = 100_000_000

serveJobs((job: McpJob): Exchange => {
  const format = createFormat(job)
  let id = 0
  let body = ''
  return {
    next() {
      lastId += 1
      id = lastId
      body = ''
      return format(id)
    },
    take: (piece) => void (body += piece.toString()),
    finish: () => checkAnswer(body, id),
  }
})

function createFormat(job: McpJob): (id: number) => Buffer {
  const about = {
    method: 'tools/call',
    name: job.tool,
    ...(job.sessionId && { sessionId: job.sessionId }),
  }
  const body = formatMessage(job.era, {
    id: lastId,
    method: 'tools/call',
    params: { name: job.tool, arguments: {} },
  })
  const [before, after] = body.split(String(lastId))
  const headers = Object.entries(headersOf(job, about)).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const head =
    `POST ${job.path} HTTP/1.1\r\nhost: 127.0.0.1:${job.port}\r\n${headers.join('')}` +
    `user-agent: portico-benchmark\r\ncontent-length: ${body.length}\r\n\r\n`
  return (id) => Buffer.from(`${head}${before}${id}${after}`, 'latin1')
}

function checkAnswer(body: string, id: number): void {
  const message = readMessage(body)
  const result = message?.['result'] as { content?: readonly { text?: string }[] } | undefined
  if (message?.['id'] !== id || result?.content?.[0]?.text !== toolText) {
    throw new Error(`A wrong answer to ${id}: ${body}`)
  }
}
