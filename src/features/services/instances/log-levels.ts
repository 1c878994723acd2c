import type { Connection } from '../upstream/connection.ts'
import { makeRequest } from '../wire/rpc-message.ts'
import { ignoring } from './resource-watch.ts'

/** Levels of `notifications/message`, least severe first (RFC 5424). */
const logLevels = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const

/** One of the levels. */
export type LogLevel = (typeof logLevels)[number]

/** Says whether the text names a level. */
export function isLogLevel(text: unknown): text is LogLevel {
  return (logLevels as readonly unknown[]).includes(text)
}

/** Says whether a message of `level` is to be shown to one who asked for `wanted` and what is worse. */
export function isShown(level: unknown, wanted: LogLevel): boolean {
  return !isLogLevel(level) || logLevels.indexOf(level) >= logLevels.indexOf(wanted)
}

/** Who wants which log messages of a legacy server, which knows one level for all: it is set to the lowest asked for. */
export interface LogLevels {
  /** Asks for messages from `level` on. Returns the function that ends it. */
  want(level: LogLevel): () => void
}

/** Keeps the level of a connection. Servers that do not log are never asked to. */
export function createLogLevels(connection: Connection): LogLevels {
  const wanted = new Set<{ level: LogLevel }>()
  let current: LogLevel | undefined
  const canLog =
    connection.era === 'legacy' && connection.hello.capabilities['logging'] !== undefined

  function adjust(): void {
    const lowest = logLevels.find((level) => [...wanted].some((entry) => entry.level === level))
    // With nobody left the level stays: setting it back would cost a message for nothing.
    if (!canLog || lowest === undefined || lowest === current) return
    current = lowest
    connection.request(makeRequest('0', 'logging/setLevel', { level: lowest }), ignoring)
  }

  return {
    want(level) {
      const entry = { level }
      wanted.add(entry)
      adjust()
      return () => {
        wanted.delete(entry)
        adjust()
      }
    },
  }
}
