import { z } from 'zod'

const dayMs = 24 * 60 * 60 * 1000
const listMax = 1000
const GiB = 1024 ** 3

/** Name of a service or bundle: one segment of a URL, and the prefix of its tools where names collide. */
export const ServiceName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
    error:
      'must be letters, digits, dots, dashes and underscores, beginning with a letter or digit',
  })

/** A line of text without NUL, as an argument or a value of the environment is. */
const PlainText = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, { error: 'must not contain NUL' })

/** A value that a service is started or called with: plain, sealed at rest and shown masked, or given by each user. */
export const ServiceValue = z.union([
  PlainText,
  z.strictObject({ secret: PlainText.describe('Sealed at rest, shown masked.') }),
  z.strictObject({
    perUser: z
      .literal(true)
      .describe('Each key has a value of its own; without one it may not call.'),
    description: z.string().max(500).optional(),
  }),
])

const EnvName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
    error: 'must be the name of an environment variable',
  })

/** Header names that belong to the connection or to the protocol, and so cannot be set for a service. */
const headersOfOurs =
  /^(?:connection|content-(?:encoding|length|type)|expect|host|keep-alive|last-event-id|mcp-.*|proxy-.*|sec-.*|te|trailer|transfer-encoding|upgrade)$/i

const HeaderName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { error: 'is not a header name' })
  .refine((name) => !headersOfOurs.test(name), {
    error: 'is a header that is set by Portico itself',
  })

const HeaderValue = ServiceValue.refine((value) => isHeaderValue(value), {
  error: 'is not a header value',
})

/** A program of this machine that speaks MCP on its standard streams. */
const ProcessUpstream = z.strictObject({
  kind: z.literal('process'),
  command: PlainText.min(1)
    .max(4096)
    .describe('Found on PATH, or absolute. Never given to a shell.'),
  args: z.array(PlainText).max(listMax).default([]),
  cwd: PlainText.min(1)
    .max(4096)
    .nullable()
    .default(null)
    .describe('Working folder; one of its own where null.'),
  env: z.record(EnvName, ServiceValue).default({}),
  sandbox: z
    .boolean()
    .default(false)
    .describe('Run in bubblewrap, without the files of this machine.'),
  network: z.boolean().default(true).describe('Whether a sandboxed program has the network.'),
  memoryBytesMax: z
    .int()
    .positive()
    .max(1024 * GiB)
    .nullable()
    .default(null),
  cpuSecondsMax: z.int().positive().nullable().default(null),
})

/** An MCP server that listens somewhere. */
export const RemoteUpstream = z.strictObject({
  kind: z.literal('remote'),
  url: z.string().min(1).max(2048),
  transport: z.enum(['auto', 'streamable-http', 'sse', 'websocket']).default('auto'),
  headers: z
    .record(HeaderName, HeaderValue)
    .default({})
    .describe('Sent with every request; never what a client sent.'),
  allowPrivate: z.boolean().default(false).describe('Needs the scope admin.'),
})

/** A server that is part of Portico. */
export const BuiltinUpstream = z.strictObject({
  kind: z.literal('builtin'),
  server: z.enum(['think', 'sequentialthinking']),
})

/** What stands behind a service. */
export const ServiceUpstream = z.discriminatedUnion('kind', [
  ProcessUpstream,
  RemoteUpstream,
  BuiltinUpstream,
])

/** Which of the tools, prompts and resources are shown, and how. Names are those of the server. */
export const ServiceFilter = z.strictObject({
  tools: z
    .strictObject({
      show: z.array(z.string()).max(listMax).nullable().default(null).describe('null shows all.'),
      hide: z.array(z.string()).max(listMax).default([]),
      rename: z
        .record(
          z.string(),
          z
            .string()
            .min(1)
            .max(128)
            .regex(/^[A-Za-z0-9_.-]+$/),
        )
        .default({}),
      describe: z.record(z.string(), z.string().max(8192)).default({}),
    })
    .prefault({}),
  prompts: z
    .strictObject({
      show: z.array(z.string()).max(listMax).nullable().default(null),
      hide: z.array(z.string()).max(listMax).default([]),
      rename: z.record(z.string(), z.string().min(1).max(128)).default({}),
      describe: z.record(z.string(), z.string().max(8192)).default({}),
    })
    .prefault({}),
  resources: z
    .strictObject({
      show: z
        .array(z.string())
        .max(listMax)
        .nullable()
        .default(null)
        .describe('URIs and templates.'),
      hide: z.array(z.string()).max(listMax).default([]),
    })
    .prefault({}),
})

/** How a service behaves, beside what stands behind it. */
const serviceFields = {
  description: z.string().max(2000).default(''),
  enabled: z.boolean().default(true),
  isolation: z
    .enum(['shared', 'per-user', 'per-session', 'per-call'])
    .optional()
    .describe(
      'Who shares one child or upstream session. `shared` for programs and `per-session` for remote servers where left out.',
    ),
  era: z
    .enum(['auto', 'legacy', 'modern'])
    .default('auto')
    .describe('Which protocol the server speaks; found out and remembered where auto.'),
  interactive: z
    .boolean()
    .default(true)
    .describe(
      'Whether the server is told that clients can be asked (elicitation, sampling, roots). Then a shared program handles the calls of such clients one at a time.',
    ),
  start: z.enum(['on-demand', 'always']).default('on-demand'),
  idleStopMs: z
    .int()
    .min(1000)
    .max(30 * dayMs)
    .nullable()
    .default(10 * 60 * 1000)
    .describe(
      'Without calls, streams and sessions for so long, a child is stopped. null for never.',
    ),
  lifetimeMaxMs: z
    .int()
    .min(1000)
    .max(365 * dayMs)
    .nullable()
    .default(null)
    .describe('Then a new child takes over, and the old one ends with its last call.'),
  startTimeoutMs: z
    .int()
    .min(100)
    .max(10 * 60 * 1000)
    .default(60_000)
    .describe('To start and to answer the handshake.'),
  timeoutMs: z
    .int()
    .min(100)
    .max(dayMs)
    .default(5 * 60 * 1000)
    .describe('Silence in a call; progress counts as a sign of life.'),
  totalTimeoutMs: z
    .int()
    .min(100)
    .max(7 * dayMs)
    .default(60 * 60 * 1000)
    .describe('A whole call.'),
  healthIntervalMs: z.int().min(1000).max(dayMs).default(30_000),
  requestsPerMinute: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Requests a minute of one caller.'),
  concurrencyMax: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Calls at a time, of all callers.'),
  cacheTtlMs: z
    .int()
    .nonnegative()
    .max(dayMs)
    .default(0)
    .describe(
      'How long results of lists and of tools marked read-only and idempotent may be served again; 0 for never.',
    ),
  costUsd: z
    .number()
    .nonnegative()
    .max(1000)
    .default(0)
    .describe('Price of one tool call, for budgets.'),
  pin: z.boolean().default(false).describe('Whether changed or new tools wait for approval.'),
  filter: ServiceFilter.prefault({}),
  restart: z
    .strictObject({
      auto: z.boolean().default(true),
      maxRestarts: z.int().nonnegative().max(1000).default(5),
      windowMs: z.int().min(1000).max(dayMs).default(60_000),
    })
    .prefault({}),
  path: z
    .string()
    .max(500)
    .regex(/^\/[A-Za-z0-9._~/-]*$/)
    .nullable()
    .default(null)
    .describe(
      'A further path under which the service is reached; whole segments, the longest wins.',
    ),
}

/** Body of `POST /api/services`. */
export const NewService = z.strictObject({
  ...serviceFields,
  name: ServiceName,
  upstream: ServiceUpstream,
  workspaceId: z.string().optional(),
})

/** Body of `PUT /api/services/{id}`: the whole of it; a value of `[secret]` keeps the stored one. */
export const ServiceReplacement = z.strictObject({
  ...serviceFields,
  name: ServiceName,
  upstream: ServiceUpstream,
})

/** Body of `PATCH /api/services/{id}`: what is left out stays; an object that is given replaces the old one. */
export const ServiceChange = z
  .strictObject({
    ...withoutDefaults(serviceFields),
    name: ServiceName,
    upstream: ServiceUpstream,
  })
  .partial()

/** The settings of a service, complete. */
export type ServiceSettings = Omit<z.output<typeof NewService>, 'workspaceId' | 'isolation'> & {
  readonly isolation: 'shared' | 'per-user' | 'per-session' | 'per-call'
}

/** How the tools of a bundle are named where services have tools of the same name. */
const BundleNaming = z.enum(['on-collision', 'always', 'never'])

/** One service of a bundle. */
const BundleMember = z.strictObject({
  service: ServiceName,
  alias: ServiceName.optional().describe('Prefix instead of the name of the service.'),
  filter: ServiceFilter.prefault({}),
})

const bundleFields = {
  name: ServiceName,
  description: z.string().max(2000).default(''),
  enabled: z.boolean().default(true),
  members: z
    .array(BundleMember)
    .max(listMax)
    .describe('In the order in which their tools are listed.'),
  naming: BundleNaming.default('on-collision'),
  mode: z
    .enum(['list', 'search'])
    .default('list')
    .describe('`search` shows find_tools and call_tool instead of all tools.'),
  instructions: z.string().max(8192).default(''),
}

/** Body of `POST /api/bundles`. */
export const NewBundle = z.strictObject({ ...bundleFields, workspaceId: z.string().optional() })

/** Body of `PATCH /api/bundles/{id}`: what is left out stays, a list that is given replaces the old one. */
export const BundleChange = z.strictObject(withoutDefaults(bundleFields)).partial()

/** The settings of a bundle, complete. */
export type BundleSettings = Omit<z.output<typeof NewBundle>, 'workspaceId'>

type WithoutDefault<Schema> =
  Schema extends z.ZodDefault<infer Inner>
    ? Inner
    : Schema extends z.ZodPrefault<infer Inner>
      ? Inner
      : Schema

/** The same fields without their defaults: in a change, what is left out must not come back as one. */
function withoutDefaults<Fields extends Record<string, z.ZodType>>(
  fields: Fields,
): { [Name in keyof Fields]: WithoutDefault<Fields[Name]> } {
  const entries = Object.entries(fields).map(([name, schema]) => {
    const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    return [name, hasDefault ? schema.unwrap() : schema]
  })
  return Object.fromEntries(entries) as { [Name in keyof Fields]: WithoutDefault<Fields[Name]> }
}

function isHeaderValue(value: z.output<typeof ServiceValue>): boolean {
  if (typeof value === 'object' && 'perUser' in value) return true
  const text = typeof value === 'string' ? value : value.secret
  return text.length <= 8192 && /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
