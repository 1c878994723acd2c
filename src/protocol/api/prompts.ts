import { z } from 'zod'
import { NextCursor, pageFields } from './paging.ts'

const filters = {
  workspace: z.string().optional().describe('Id of a workspace; the key’s own where left out.'),
  // Not `key`: that parameter carries a credential.
  keyId: z.string().optional().describe('Id of the key that asked.'),
}

/** Query of `GET /api/prompts`. */
export const PromptsQuery = z.strictObject({
  ...filters,
  model: z.string().optional().describe('The model as the client named it.'),
  request: z.string().optional().describe('Id of one request.'),
  ...pageFields,
})

/** Query of `DELETE /api/prompts`. */
export const PromptsDeletion = z.strictObject(filters)

/** One logged exchange; credentials are masked, and either side is cut at 64 KiB. */
const PromptView = z.object({
  at: z.string(),
  requestId: z.string(),
  keyId: z.string(),
  model: z.string(),
  request: z.string(),
  response: z.string(),
})

/** Answer of `GET /api/prompts`, newest first. */
export const PromptPage = z.object({ prompts: z.array(PromptView), nextCursor: NextCursor })

/** Answer of `DELETE /api/prompts`. */
export const PromptsDeleted = z.object({ deleted: z.int() })
