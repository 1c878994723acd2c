import { z } from 'zod'
import { DisplayName } from './providers.ts'

// The management contract of MCP Reverse Proxy, beside the one of Portico's own.

const dayMs = 24 * 60 * 60 * 1000
const PlainText = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, { error: 'must not contain NUL' })

const PlainUrl = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((url) => !/^[^/]*\/\/[^/]*@/.test(url), {
    error: 'must not contain a user name or password',
  })

const repositoryFields = {
  url: z
    .union([PlainUrl, z.literal('')])
    .nullable()
    .describe('Where the program comes from; not fetched here.'),
  branch: z.string().min(1).max(255),
  path: PlainText.min(1).max(4096).describe('Folder in which the program runs.'),
  entryPoint: PlainText.min(1).max(4096).describe('Script for Node.js, inside that folder.'),
}

const proxyFields = {
  path: z.string().min(1).max(500),
  rateLimit: z.int().nonnegative().describe('Requests a minute; 0 for any number.'),
  cacheTTL: z
    .int()
    .nonnegative()
    .max(dayMs / 1000)
    .describe('Seconds.'),
  timeout: z.int().min(100).max(dayMs).describe('Milliseconds.'),
}

const processFields = {
  autoRestart: z.boolean(),
  maxRestarts: z.int().nonnegative().max(1000),
  maxMemory: z
    .string()
    .regex(/^\d{1,9}(?:\.\d{1,3})?\s*(?:[KMGT]?i?B|[KMGT])?$/i, { error: 'must be like 512MB' }),
  healthCheckInterval: z
    .int()
    .min(1)
    .max(dayMs / 1000)
    .describe('Seconds.'),
}

const Environment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/), PlainText)

/** Body of `POST /api/services` as clients of MCP Reverse Proxy send it. */
export const ReverseProxyService = z.strictObject({
  name: DisplayName,
  repository: z.strictObject({
    url: repositoryFields.url.optional(),
    branch: repositoryFields.branch.default('main'),
    path: repositoryFields.path.default('./'),
    entryPoint: repositoryFields.entryPoint,
  }),
  environment: Environment.default({}),
  proxy: z.strictObject({
    path: proxyFields.path,
    rateLimit: proxyFields.rateLimit.default(100),
    cacheTTL: proxyFields.cacheTTL.default(300),
    timeout: proxyFields.timeout.default(30_000),
  }),
  process: z
    .strictObject({
      autoRestart: processFields.autoRestart.default(true),
      maxRestarts: processFields.maxRestarts.default(5),
      maxMemory: processFields.maxMemory.default('512MB'),
      healthCheckInterval: processFields.healthCheckInterval.default(30),
    })
    .prefault({}),
  autoStart: z.boolean().optional(),
})

/** Body of `PUT /api/services/{id}` in that contract: what is left out stays. */
export const ReverseProxyChange = z.strictObject({
  name: DisplayName.optional(),
  repository: z.strictObject(repositoryFields).partial().optional(),
  environment: Environment.optional().describe('Replaces all; `[secret]` keeps a stored value.'),
  proxy: z.strictObject(proxyFields).partial().optional(),
  process: z.strictObject(processFields).partial().optional(),
  autoStart: z.boolean().optional(),
})

/** What such a service is said to be beside its settings; kept to be shown again. */
export const ServiceOrigin = z.strictObject({
  /** As it was named; the name in URLs derives from it. */
  title: z.string(),
  url: z.string().nullable(),
  branch: z.string(),
  path: z.string(),
  entryPoint: z.string(),
  maxMemory: z.string(),
})

/** The row of a service in that contract. Status is one of its words. */
export const reverseProxyRow = {
  id: z.string(),
  name: z.string().describe('As it was named; `slug` is the name in URLs.'),
  repositoryUrl: z.string().nullable(),
  repositoryBranch: z.string(),
  repositoryPath: z.string(),
  entryPoint: z.string(),
  environment: z.record(z.string(), z.string()).describe('Sealed values read `[secret]`.'),
  proxyPath: z.string(),
  rateLimit: z.number(),
  cacheTTL: z.number().describe('Seconds.'),
  timeout: z.number().describe('Milliseconds.'),
  autoRestart: z.boolean(),
  maxRestarts: z.number(),
  maxMemory: z.string(),
  healthCheckInterval: z.number().describe('Seconds.'),
  status: z.enum(['starting', 'running', 'stopped', 'crashed', 'restarting']),
  lastError: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
}

/** Figures of a child in that contract. */
export const ReverseProxyMetrics = z.object({
  pid: z.number().nullable(),
  status: reverseProxyRow.status,
  uptime: z.number().describe('Milliseconds.'),
  restartCount: z.number(),
  memoryUsage: z.number().describe('Bytes.'),
  cpuUsage: z.number().describe('Per cent of one core.'),
})

/** What that contract answers to a change. */
export const DoneMessage = z.object({ message: z.string() })

/** What it answers to a new service. */
export const CreatedMessage = z.object({ id: z.string(), message: z.string() })

/** One log line in that contract. */
export const ReverseProxyLogLine = z.object({
  id: z.union([z.string(), z.number()]),
  serviceId: z.string(),
  timestamp: z.string(),
  level: z.string(),
  message: z.string(),
  metadata: z.object({ stream: z.string() }),
})
