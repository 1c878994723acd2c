import pino from 'pino'
import type { DestinationStream, Logger, LoggerOptions } from 'pino'

/** Where secrets could end up in a log record by mistake; redacted as a second line of defence. */
const redactedPaths = ['authorization', 'apiKey', 'key', 'password', 'secret', 'token', 'cookie']
const redact = {
  paths: redactedPaths.flatMap((name) => [name, `*.${name}`, `headers["${name}"]`]),
  censor: '[secret]',
}

/** A write costs about as much as a dozen lines, so lines wait for each other, but not for long. */
const batchBytes = 32 * 1024
const flushMs = 250

/** Where log lines go, one call a line. */
export type LogDestination = DestinationStream

/** Standard output, written in batches; `flush` it at the end. */
export function openStandardOutput(): LogDestination {
  return pino.destination({
    fd: 1,
    sync: false,
    minLength: batchBytes,
    maxWrite: 2 * batchBytes,
    periodicFlush: flushMs,
  })
}

/** The process's logger: JSON lines. */
export function createLogger(level: string, destination: LogDestination): Logger {
  return pino({ ...lineFormat, level, redact }, destination)
}

/** Writes one line of the level `info`, with a message and further fields. */
export type LineWriter = (fields: object, msg: string) => void

/** Access lines hold nothing that would have to be redacted, and looking for it costs several times as much as the line. */
export function createLineWriter(destination: LogDestination): LineWriter {
  return (fields, msg) => {
    destination.write(`${JSON.stringify({ level: 'info', time: Date.now(), ...fields, msg })}\n`)
  }
}

const lineFormat: LoggerOptions = {
  base: null,
  formatters: { level: (label) => ({ level: label }) },
}
