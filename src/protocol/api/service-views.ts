import { z } from 'zod'
import { NewBundle } from './services.ts'
import { reverseProxyRow, ReverseProxyMetrics } from './reverse-proxy.ts'

const Json = z.record(z.string(), z.unknown())

/** Which list of a server is meant. */
const ListName = z.enum(['tools', 'prompts', 'resources', 'templates'])

const HealthView = z.object({
  isHealthy: z.boolean(),
  at: z.string(),
  latencyMs: z.number().nullable(),
})

/** A service as the management API shows it: the row of MCP Reverse Proxy, and everything of Portico’s own. Times are ISO 8601. */
export const ServiceView = z.object({
  ...reverseProxyRow,
  metrics: ReverseProxyMetrics.nullable()
    .optional()
    .describe('null where nothing runs; missing where nothing of it ever runs here.'),
  workspaceId: z.string(),
  slug: z.string().describe('The name in URLs and bundles.'),
  upstream: Json.describe('Sealed values read `{"secret":"[secret]"}`.'),
  isolation: z.enum(['shared', 'per-user', 'per-session', 'per-call']),
  settings: Json.describe('Everything but name and upstream.'),
  revision: z.string().describe('Another one means that what runs is started anew.'),
  desiredState: z.enum(['started', 'stopped', 'auto']),
  state: z
    .enum([
      'stopped',
      'idle',
      'starting',
      'running',
      'backoff',
      'crashed',
      'disabled',
      'unreadable',
    ])
    .describe('`unreadable`: its secrets were sealed with a master key that is gone.'),
  health: HealthView.nullable(),
  instances: z.number(),
  callsRunning: z.number(),
  restarts: z.number(),
  toolCount: z.number().nullable().describe('null until the service was reached once.'),
  tokenCount: z.number().nullable().describe('Estimate of what its tools cost in a context.'),
  pendingChanges: z.number().describe('Definitions that wait for approval.'),
  stderr: z.array(z.string()).describe('Last lines, where it crashed.'),
  perUserValues: z.array(z.string()).describe('Values that each key gives for itself.'),
})

/** Answer of `GET /api/services`. */
export const ServiceRows = z.array(ServiceView)

/** Query of `DELETE /api/services/{id}`. */
export const ServiceDeletion = z.strictObject({
  workspace: z.string().optional(),
  force: z
    .stringbool()
    .default(false)
    .describe('Delete although bundles have it among their members; they lose it.'),
})

/** Answer of `GET /api/services/{id}/health`. */
export const ServiceHealth = z.object({
  status: reverseProxyRow.status,
  state: ServiceView.shape.state,
  lastError: z.string().nullable(),
  stderr: z.array(z.string()),
  health: HealthView.nullable(),
  instances: z.number(),
  callsRunning: z.number(),
})

/** Answer of `GET /api/services/{id}/metrics`. */
export const ServiceMetrics = z.object({
  serviceId: z.string(),
  status: reverseProxyRow.status,
  metrics: ReverseProxyMetrics.nullable(),
  instances: z.number(),
  callsRunning: z.number(),
})

/** Query of `GET /api/services/{id}/logs`. */
export const LogQuery = z.strictObject({
  workspace: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
  search: z.string().max(200).optional(),
  level: z.string().max(20).optional(),
})

const ListedView = z.object({
  name: z.string().describe('As clients see it.'),
  upstreamName: z.string(),
  description: z.string().nullable(),
  isHidden: z.boolean().describe('By the filter.'),
  isQuarantined: z.boolean().describe('Held back until it is approved.'),
  tokenCount: z.number(),
  annotations: Json.nullable(),
  definition: Json.describe('As clients see it; as at the server where they do not.'),
})

/** Answer of `GET /api/services/{id}/tools`. */
export const ServiceTools = z.object({
  fetchedAt: z.string().nullable().describe('null until the service was reached once.'),
  server: z
    .object({
      era: z.enum(['legacy', 'modern']),
      protocolVersion: z.string(),
      info: Json,
      instructions: z.string().nullable(),
      capabilities: Json,
    })
    .nullable(),
  tokenCount: z.number().describe('Of the tools that are shown.'),
  tools: z.array(ListedView),
  prompts: z.array(ListedView),
  resources: z.array(ListedView),
  templates: z.array(ListedView),
})

/** Answer of `GET /api/services/{id}/changes`. */
export const ServiceChanges = z.object({
  changes: z.array(
    z.object({
      kind: ListName,
      name: z.string(),
      status: z.enum(['changed', 'new', 'removed']),
      before: z.string().nullable().describe('JSON text.'),
      after: z.string().nullable().describe('JSON text.'),
      hash: z.string().nullable().describe('Names what was seen, for the approval.'),
      diff: z.array(z.string()).describe('Lines with `- `, `+ ` or two spaces before them.'),
    }),
  ),
})

/** Body of `POST /api/services/{id}/approve`. */
export const ChangeApproval = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({
    items: z
      .array(
        z.strictObject({
          kind: ListName,
          name: z.string(),
          hash: z.string().optional().describe('Refuses if it changed again since.'),
        }),
      )
      .min(1)
      .max(1000),
  }),
])

/** Answer of `POST /api/services/{id}/approve`. */
export const ApprovedCount = z.object({ approved: z.number() })

/** Path of a value of one key. */
export const ValuePath = z.strictObject({ id: z.string(), name: z.string() })

/** Body of `PUT /api/services/{id}/values/{name}`. */
export const UserValue = z.strictObject({
  value: z
    .string()
    .min(1)
    .max(32_768)
    .regex(/^[^\0\r\n]*$/, { error: 'must be one line' }),
})

/** Answer of `GET /api/services/{id}/values`: which values the service wants of each key, and whether the asking one has given them. */
export const UserValueList = z.object({
  values: z.array(z.object({ name: z.string(), description: z.string(), isSet: z.boolean() })),
})

/** A bundle as the management API shows it. */
export const BundleView = z.object({
  ...NewBundle.omit({ workspaceId: true }).shape,
  id: z.string(),
  workspaceId: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
})

/** Answer of `GET /api/bundles`. */
export const BundleList = z.object({ bundles: z.array(BundleView) })

/** A command line that waits for an administrator, or was decided on. */
export const CommandView = z.object({
  id: z.string(),
  workspaceId: z.string(),
  hash: z.string(),
  argv: z.array(z.string()).describe('Complete; the command first.'),
  envNames: z.array(z.string()),
  cwd: z.string().nullable(),
  sandbox: z.boolean(),
  state: z.enum(['pending', 'approved', 'rejected']),
  risks: z.array(z.string()).describe('What makes the command able to run more than it shows.'),
  createdAt: z.string(),
  decidedAt: z.string().nullable(),
  decidedBy: z.string().nullable().describe('Id of a key.'),
})

/** Answer of `GET /api/services/commands`. */
export const CommandList = z.object({ commands: z.array(CommandView) })
