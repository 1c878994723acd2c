import type { Logger } from 'pino'

/** A structured logger: pino's, JSON lines with redaction. Created once in `server`, handed down as a dependency. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>
