import { z } from 'zod'
import { DisplayName } from './providers.ts'

/** Body of `POST /api/workspaces` and `PATCH /api/workspaces/{id}`. */
export const WorkspaceDraft = z.strictObject({ name: DisplayName })

/** A workspace as the management API shows it. Times are ISO 8601. */
export const WorkspaceView = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
})

/** Answer of `GET /api/workspaces`. */
export const WorkspaceList = z.object({ workspaces: z.array(WorkspaceView) })

/** Query that says which workspace an admin means; any other key has its own only. */
export const WorkspaceQuery = z.strictObject({
  workspace: z.string().optional().describe('Id of a workspace; the key’s own where left out.'),
})

/** Path of one object. */
export const IdPath = z.strictObject({ id: z.string() })

/** The answer to a deletion: no body. */
export const Nothing = z.undefined()
