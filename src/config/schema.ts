import { z } from 'zod'
import {
  adminKey,
  count,
  databaseUrl,
  durationMs,
  encryptionKey,
  hostName,
  listenerUrl,
  network,
  origin,
  port,
  redisUrl,
  sizeBytes,
} from './fields.ts'
import { processesConfig, servicesConfig } from './services-schema.ts'
import { KiB, MiB, minuteMs, secondMs } from './units.ts'

// The two listeners: where they listen, how they are known outside, and whom they trust.
const serverConfig = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe(
      'Address of the public listener. Where it is not set and `server.publicUrl` names another host than this machine, it is `0.0.0.0`.',
    ),
  port: port.default(8437).describe('Port of the public listener; 0 takes a free one.'),
  dashboardHost: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address of the dashboard’s listener.'),
  dashboardPort: port
    .default(3437)
    .describe('Port of the dashboard’s listener; 0 takes a free one.'),
  publicUrl: listenerUrl
    .optional()
    .describe(
      'URL under which clients reach the public listener. Its host is accepted in the Host header.',
    ),
  dashboardUrl: listenerUrl.optional().describe('URL under which people reach the dashboard.'),
  allowedHosts: z
    .array(hostName)
    .default([])
    .describe(
      'Further names accepted in the Host header, beside loopback and the hosts of the two URLs.',
    ),
  allowedOrigins: z
    .array(origin)
    .default([])
    .describe(
      'Web origins whose pages may call the data plane; `*` for any. The management API accepts none of them.',
    ),
  trustedProxies: z
    .array(network)
    .default([])
    .describe(
      'Addresses and networks of reverse proxies whose `X-Forwarded-*` headers are believed.',
    ),
  queryKeys: z
    .boolean()
    .default(true)
    .describe(
      'Whether a key may come in the query string at all; each key still needs `allowQuery`.',
    ),
  shutdownTimeoutMs: durationMs
    .default(25 * secondMs)
    .describe('How long running requests may take to finish after SIGTERM.'),
})

// What is written to the log, JSON lines on standard output.
const logConfig = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe level that is written.'),
  access: z.boolean().default(true).describe('Whether each request leaves one line.'),
})

// How workspaces come to be.
const workspacesConfig = z.strictObject({
  open: z
    .boolean()
    .default(false)
    .describe(
      'Whether an unknown settings id creates a workspace of its own, for anybody. Leave it off where strangers can connect.',
    ),
})

// Bounds on what a client may send and how slowly.
const limitsConfig = z.strictObject({
  headerBytesMax: sizeBytes.default(16 * KiB).describe('All request headers together.'),
  headerCountMax: z.int().positive().default(100).describe('Number of request header fields.'),
  urlBytesMax: sizeBytes.default(8 * KiB).describe('Path and query of a request.'),
  headersTimeoutMs: durationMs
    .default(10 * secondMs)
    .describe('Time for the request headers to arrive.'),
  bodyTimeoutMs: durationMs.default(30 * secondMs).describe('Time for a JSON body to arrive.'),
  jsonBytesMax: sizeBytes.default(1 * MiB).describe('JSON body of a management request.'),
  modelBodyBytesMax: sizeBytes.default(64 * MiB).describe('JSON body of a model request.'),
  uploadBytesMax: sizeBytes
    .default(512 * MiB)
    .describe('Streamed multipart body of a model request.'),
  keepAliveTimeoutMs: durationMs
    .default(5 * secondMs)
    .describe('How long an idle connection is kept.'),
  connectionsMax: z.int().positive().default(10_000).describe('Open connections in all.'),
  connectionsPerIpMax: z
    .int()
    .positive()
    .default(256)
    .describe('Open connections from one address (IPv6: one /64).'),
  requestsPerSocketMax: count
    .default(1000)
    .describe('Requests on one connection before it is closed; 0 for any number.'),
  slowReadBytesPerSecondMin: count
    .default(512)
    .describe('Slowest pace at which a client may take a response that is ready; 0 for any.'),
  slowReadWindowMs: durationMs
    .default(15 * secondMs)
    .describe('Period over which that pace is measured.'),
})

// When a provider that fails is left alone for a while.
const cooldownConfig = z.strictObject({
  failures: z
    .int()
    .positive()
    .default(3)
    .describe('Consecutive failures after which a provider cools down.'),
  baseMs: durationMs
    .default(5 * secondMs)
    .describe('First cool-down; it doubles with each further one.'),
  maxMs: durationMs
    .default(5 * minuteMs)
    .describe('Longest cool-down, also where the provider asks for more.'),
})

// How long each phase of a call to a provider may take. A provider may have its own.
const timeoutsConfig = z.strictObject({
  connectMs: durationMs.default(10 * secondMs).describe('To connect, TLS included.'),
  firstByteMs: durationMs
    .default(5 * minuteMs)
    .describe('From the request sent to the first byte of the response.'),
  idleMs: durationMs.default(5 * minuteMs).describe('Between two pieces of a response.'),
  totalMs: durationMs
    .default(10 * minuteMs)
    .describe('The whole call, where the response is not a stream.'),
})

// The exact-match response cache, used where a key or a request asks for it.
const cacheConfig = z.strictObject({
  bytesMax: count
    .default(64 * MiB)
    .describe('Memory for cached responses; 0 switches the cache off.'),
  ttlMs: durationMs.default(5 * minuteMs).describe('How long a response is served again.'),
})

// The opt-in log of prompts and answers.
const promptLogConfig = z.strictObject({
  retentionDays: z
    .int()
    .positive()
    .default(7)
    .describe('Days after which logged prompts are deleted.'),
})

// The models gateway: retries, timeouts, cache.
const modelsConfig = z.strictObject({
  attemptsMax: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('Providers tried for one request, the first included.'),
  retryStatuses: z
    .array(z.int().min(400).max(499))
    .default([408, 429])
    .describe(
      'Statuses below 500 after which the next provider is tried; it is after every status from 500 up.',
    ),
  cooldown: cooldownConfig.prefault({}),
  timeouts: timeoutsConfig.prefault({}),
  keepAliveCommentMs: count
    .default(15 * secondMs)
    .describe('Silence in an event stream after which a comment is sent; 0 for none.'),
  anyProviderFallback: z
    .boolean()
    .default(false)
    .describe('Whether a model that no provider lists goes to any enabled provider.'),
  cache: cacheConfig.prefault({}),
  promptLog: promptLogConfig.prefault({}),
  builtinProvider: z
    .boolean()
    .default(true)
    .describe('Whether the built-in models `portico/echo` and `portico/clock` exist.'),
})

// How usage reaches the store.
const usageConfig = z.strictObject({
  flushMs: durationMs.default(250).describe('How often usage rows are written.'),
  queueRowsMax: z
    .int()
    .positive()
    .default(50_000)
    .describe('Rows that may wait to be written; beyond it the oldest are dropped and counted.'),
  retentionDays: z
    .int()
    .positive()
    .default(90)
    .describe('Days after which usage rows are deleted. Daily sums are kept.'),
})

/** The whole configuration: one source for its type, its defaults, its checks and docs/configuration.md. */
export const Config = z.strictObject({
  server: serverConfig.prefault({}),
  dataDir: z
    .string()
    .min(1)
    .default('./data')
    .describe('Folder of the embedded database and of generated secrets.'),
  databaseUrl: databaseUrl
    .optional()
    .describe(
      'PostgreSQL database to use instead of the embedded one, `postgres://user:password@host/database`; or another file for the embedded one, `sqlite:path`.',
    ),
  redisUrl: redisUrl
    .optional()
    .describe(
      'Redis server for coordination between several processes. It is checked and kept; this version runs as a single process and does not connect to it.',
    ),
  adminKey: adminKey
    .optional()
    .describe(
      'Text of the admin key. Where it is not set, one is generated at the first start and printed once.',
    ),
  encryptionKey: encryptionKey
    .optional()
    .describe(
      'Master key that seals stored credentials. Where it is not set, one is generated in `dataDir`.',
    ),
  previousEncryptionKeys: z
    .array(encryptionKey)
    .prefault([])
    .describe('Earlier master keys, which still open what they sealed.'),
  log: logConfig.prefault({}),
  workspaces: workspacesConfig.prefault({}),
  limits: limitsConfig.prefault({}),
  models: modelsConfig.prefault({}),
  services: servicesConfig.prefault({}),
  usage: usageConfig.prefault({}),
  processes: processesConfig.prefault({}),
})

/** The configuration as the program sees it: complete, checked, not changed afterwards. */
export type Config = z.output<typeof Config>
