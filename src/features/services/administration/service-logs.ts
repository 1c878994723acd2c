import type { z } from 'zod'
import type { ReverseProxyLogLine } from '../../../protocol/api/reverse-proxy.ts'

/** One line that a program wrote, or that was written about it. */
export interface ServiceLogLine {
  readonly id: string | number
  /** Epoch ms. */
  readonly at: number
  readonly level: string
  /** Where it comes from, e.g. `stderr`. */
  readonly stream: string
  readonly message: string
}

/** Which lines are wanted: the newest `limit`, oldest first. */
interface LogFilter {
  readonly limit: number
  readonly search?: string | undefined
  readonly level?: string | undefined
}

/** The logs of services, as whoever keeps them hands them in. */
export interface ServiceLogs {
  read(serviceId: string, filter: LogFilter): Promise<readonly ServiceLogLine[]>
  /** Hears of every line from now on. Returns the function that ends it. */
  follow(serviceId: string, listener: (line: ServiceLogLine) => void): () => void
  /** Forgets everything of a service that is gone. */
  remove(serviceId: string): Promise<void> | void
}

/** One frame of a log stream, as MCP Reverse Proxy sends it over WebSocket. */
export interface LogFrame {
  readonly type: 'log' | 'error'
  readonly timestamp: string
  readonly message: string
}

/** A line as one frame of a stream. */
export function toLogFrame({ at, level, stream, message }: ServiceLogLine): LogFrame {
  const isError = level === 'error' || stream === 'stderr'
  return { type: isError ? 'error' : 'log', timestamp: new Date(at).toISOString(), message }
}

/** A line as an element of a list. */
export function viewLogLine(
  serviceId: string,
  { id, at, level, stream, message }: ServiceLogLine,
): z.output<typeof ReverseProxyLogLine> {
  const timestamp = new Date(at).toISOString()
  return { id, serviceId, timestamp, level, message, metadata: { stream } }
}
