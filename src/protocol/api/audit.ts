import { z } from 'zod'
import { NextCursor, pageFields } from './paging.ts'

/** Query of `GET /api/audit`. */
export const AuditQuery = z.strictObject({
  workspace: z.string().optional().describe('Id of a workspace; the key’s own where left out.'),
  action: z.string().optional().describe('e.g. `key.create`.'),
  target: z.string().optional().describe('Id of the object that was changed.'),
  actor: z.string().optional().describe('Id of the key that changed it.'),
  ...pageFields,
})

/** One management change. */
const AuditEntryView = z.object({
  at: z.string(),
  workspaceId: z.string(),
  actor: z.string().describe('Id of a key, or `system`.'),
  action: z.string(),
  targetType: z.string(),
  targetId: z.string(),
  before: z
    .unknown()
    .describe('The object before; null when it did not exist. Secrets are masked.'),
  after: z.unknown().describe('The object after; null when it was deleted. Secrets are masked.'),
  requestId: z.string(),
  ip: z.string(),
})

/** Answer of `GET /api/audit`, newest first. */
export const AuditTrail = z.object({ audit: z.array(AuditEntryView), nextCursor: NextCursor })
