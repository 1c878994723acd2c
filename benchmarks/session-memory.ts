import { once } from 'node:events'
import { request } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { listTools, openSession } from './mcp-client.ts'
import { readRssMegabytes } from './measured-process.ts'
import { headersOf } from './mcp-traffic.ts'
import type { McpEndpoint } from './mcp-traffic.ts'
import type { Way } from './service-rows.ts'
import { spreadOf } from './statistics.ts'
import type { Figure } from './statistics.ts'

/** How many sessions are opened; half as many before the first look, so that the heap has grown already. */
export interface SessionPlan {
  readonly sessions: number
  /** How many of them then open a stream. */
  readonly streams: number
  /** Largest memory of a session without a stream that passes, KB (10³ bytes). */
  readonly kilobytesMax?: number
}

/** Time for the collector to come by. */
const settleMs = 5_000
const openersMax = 16

/** Opens sessions that list the tools once and then do nothing, and tells what each costs the server. */
export async function measureSessions(
  title: string,
  { server, endpoint }: Way,
  plan: SessionPlan,
): Promise<Figure[]> {
  const settledRss = async () => {
    await pause(settleMs)
    return await readRssMegabytes(server.pid)
  }
  await openSessions(endpoint, plan.sessions / 2)
  const before = await settledRss()
  const sessionIds = await openSessions(endpoint, plan.sessions)
  const idle = await settledRss()
  const streams = await Promise.all(
    sessionIds.slice(0, plan.streams).map((sessionId) => openStream(endpoint, sessionId)),
  )
  const streaming = await settledRss()
  for (const stream of streams) stream.destroy()
  const toKilobytes = (megabytes: number, count: number) => spreadOf([(megabytes * 1000) / count])
  return [
    {
      name: `${title}: an idle session`,
      unit: 'KB',
      ...(plan.kilobytesMax !== undefined && { limit: plan.kilobytesMax }),
      spread: toKilobytes(idle - before, plan.sessions),
      detail: `${before.toFixed(0)} MB, then ${idle.toFixed(0)} MB with ${plan.sessions} more`,
    },
    {
      name: `${title}: an open stream beside it`,
      unit: 'KB',
      spread: toKilobytes(streaming - idle, plan.streams),
      detail: `${streaming.toFixed(0)} MB with ${plan.streams} streams`,
    },
  ]
}

async function openSessions(endpoint: McpEndpoint, count: number): Promise<string[]> {
  const sessionIds: string[] = []
  let begun = 0
  const openMany = async () => {
    while (begun < count) {
      begun += 1
      const session = await openSession(endpoint)
      await listTools(session)
      if (session.sessionId !== undefined) sessionIds.push(session.sessionId)
    }
  }
  await Promise.all(Array.from({ length: openersMax }, openMany))
  return sessionIds
}

/** Opens the stream on which a session hears of what nobody asked for. Whoever opens it destroys it. */
export async function openStream(endpoint: McpEndpoint, sessionId: string): Promise<ClientRequest> {
  const { 'content-type': _, ...headers } = headersOf(endpoint, { method: '', sessionId })
  const { port, path } = endpoint
  const accept = 'text/event-stream'
  const stream = request({
    port,
    host: '127.0.0.1',
    path,
    agent: false,
    headers: { ...headers, accept },
  })
  const answered = once(stream, 'response') as Promise<[IncomingMessage]>
  stream.end()
  const [answer] = await answered
  answer.on('error', () => {}).resume()
  stream.on('error', () => {})
  if (answer.statusCode !== 200) throw new Error(`No stream: ${answer.statusCode}`)
  return stream
}
