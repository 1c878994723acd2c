import { z } from 'zod'
import { count, durationMs, sizeBytes } from './fields.ts'
import { MiB, minuteMs, secondMs } from './units.ts'

/** The programs that Portico starts: how many at once, how they are stopped and started again, and what they may log. */
export const processesConfig = z.strictObject({
  startsMax: count
    .default(0)
    .describe(
      'Programs that may be starting at the same time; 0 for as many as there are processors, and at least 2.',
    ),
  startSlotMs: durationMs
    .default(10 * secondMs)
    .describe('How long a program that prints nothing counts as starting.'),
  stopStdinMs: durationMs
    .default(2 * secondMs)
    .describe('Time for a program to end by itself once its standard input is closed.'),
  stopTermMs: durationMs
    .default(5 * secondMs)
    .describe('Time for a program to end after SIGTERM; then it is killed.'),
  backoffBaseMs: durationMs
    .default(1 * secondMs)
    .describe(
      'Longest wait before the first restart of a program that crashed; it doubles with each further one.',
    ),
  backoffMaxMs: durationMs.default(1 * minuteMs).describe('Longest wait before a restart.'),
  backoffResetMs: durationMs
    .default(10 * minuteMs)
    .describe('Time a program has to run for its earlier crashes to be forgotten.'),
  watchMs: durationMs
    .default(3 * secondMs)
    .describe('How often memory and CPU time of programs with a bound are looked at.'),
  logBytesMax: sizeBytes
    .default(5 * MiB)
    .describe('Size at which the log file of a service is set aside; one older file is kept.'),
  logLinesPerSecondMax: z
    .int()
    .positive()
    .default(50_000)
    .describe('Lines a second that a service may log; the others are dropped and counted.'),
})

/** MCP services: how clients reach them, and what may be kept for them. */
export const servicesConfig = z.strictObject({
  anonymous: z
    .enum(['off', 'loopback'])
    .default('off')
    .describe(
      'Whether programs of this machine may call MCP services without a key, in the workspace `default`. Never for web pages.',
    ),
  adhoc: z
    .enum(['off', 'approved', 'admin'])
    .default('approved')
    .describe(
      'Whose commands `/mcp/proxy/sse?transport=stdio` runs: nobody’s, those an administrator approved word for word, or also any of a key with `services:run-command`.',
    ),
  allowUnsandboxed: z
    .boolean()
    .default(false)
    .describe('Whether such commands may run where bubblewrap is missing.'),
  adhocEnv: z.record(z.string(), z.string()).default({}).describe('Environment of such commands.'),
  maxDurationMs: count
    .default(60 * secondMs)
    .describe(
      'How long an SSE connection of `think`, `sequentialthinking` and `proxy` lasts, less 5 seconds; 0 for no limit.',
    ),
  bodyBytesMax: sizeBytes.default(10 * MiB).describe('One message of a client.'),
  messageBytesMax: sizeBytes.default(64 * MiB).describe('One message of a server.'),
  keepAliveMs: durationMs
    .default(15 * secondMs)
    .describe('Silence on a stream after which a comment is sent.'),
  sessionIdleMs: durationMs
    .default(24 * 60 * minuteMs)
    .describe('How long a session lasts without a request or an open stream.'),
  sessionsMax: z
    .int()
    .positive()
    .default(20_000)
    .describe('Sessions in memory; beyond it the longest idle one ends.'),
  sessionsPerKeyMax: z.int().positive().default(2000).describe('Of them, of one key.'),
  replayBytesMax: count
    .default(1 * MiB)
    .describe('Messages kept for a session so that a broken stream can be resumed.'),
  listDeadlineMs: durationMs
    .default(3 * secondMs)
    .describe('How long a bundle waits for the lists of one service.'),
  parkedMs: durationMs
    .default(5 * minuteMs)
    .describe('How long a call waits for the answer of a client that is asked something.'),
  parkedPerKeyMax: z.int().positive().default(32).describe('Such calls of one key.'),
  instancesMax: z
    .int()
    .positive()
    .default(200)
    .describe('Children or upstream sessions of one service.'),
})
