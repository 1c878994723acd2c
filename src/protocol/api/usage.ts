import { z } from 'zod'
import { NextCursor, pageFields } from './paging.ts'

/** A UTC day, or a moment of which the UTC day counts. Becomes `YYYY-MM-DD`. */
const Day = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })])
  .transform((text) => new Date(text).toISOString().slice(0, 10))

const filters = {
  workspace: z.string().optional().describe('Id of a workspace; the key’s own where left out.'),
  // Not `key`: that parameter carries a credential.
  keyId: z.string().optional().describe('Id of a key.'),
  model: z.string().optional().describe('The model that was used.'),
  provider: z.string().optional().describe('Id of a provider.'),
  from: Day.optional().describe('First day, UTC.'),
  to: Day.optional().describe('Last day, UTC.'),
}

/** Query of `GET /api/usage`. */
export const UsageQuery = z.strictObject({
  ...filters,
  groupBy: z.enum(['day', 'key', 'model', 'provider']).default('day'),
})

/** Answer of `GET /api/usage`: sums by what was asked for, in all first. */
const UsageSums = z.object({
  requests: z.number(),
  errors: z.number(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  cachedTokens: z.number(),
  costUsd: z.number(),
})

/** Answer of `GET /api/usage`. */
export const UsageReport = z.object({
  groupBy: z.enum(['day', 'key', 'model', 'provider']),
  total: UsageSums,
  usage: z.array(
    UsageSums.extend({
      group: z
        .string()
        .describe('The day, key id, model or provider id; empty where there was none.'),
    }),
  ),
})

/** Query of `GET /api/usage/requests`. */
export const UsageRowsQuery = z.strictObject({ ...filters, ...pageFields })

/** One request, as it was recorded at its end. */
const UsageRowView = z.object({
  at: z.string(),
  requestId: z.string(),
  keyId: z.string(),
  route: z.string(),
  modelAsked: z.string().nullable(),
  modelUsed: z.string().nullable(),
  providerId: z.string().nullable(),
  status: z.number(),
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  cachedTokens: z.number().nullable(),
  costUsd: z.number().nullable().describe('Null where the model has no price.'),
  usageSource: z.string().describe('`reported`, `estimated` or `absent`.'),
  abortedBy: z.string().nullable(),
  attempts: z.number(),
  firstByteMs: z.number().nullable(),
  latencyMs: z.number(),
})

/** Answer of `GET /api/usage/requests`, newest first. */
export const UsageRows = z.object({ requests: z.array(UsageRowView), nextCursor: NextCursor })
