import pino from 'pino'
import type { DestinationStream, Logger } from 'pino'

/** Where secrets could end up in a log record by mistake; redacted as a second line of defence. */
const redactedPaths = ['authorization', 'apiKey', 'key', 'password', 'secret', 'token', 'cookie']
const redact = {
  paths: redactedPaths.flatMap((name) => [name, `*.${name}`, `headers["${name}"]`]),
  censor: '[secret]',
}

/** The process's logger: JSON lines on standard output, or on `destination`. Lines are written in batches; `flush` them at the end. */
export function createLogger(
  level: string,
  destination: DestinationStream = pino.destination({ fd: 1, sync: false, minLength: 4096 }),
): Logger {
  return pino(
    { level, redact, base: null, formatters: { level: (label) => ({ level: label }) } },
    destination,
  )
}
