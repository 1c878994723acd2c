import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  PromptPage,
  PromptsDeleted,
  PromptsDeletion,
  PromptsQuery,
} from '../../../protocol/api/prompts.ts'
import type { PromptRow } from './prompt-log-rows.ts'
import type { PromptLog } from './prompt-log.ts'
import type { ChooseWorkspace } from '../administration/choose-workspace.ts'

const about = describeRoutes('prompts')

/** Either side of an exchange may be 64 KiB, so a page of them is short. */
const pageRowsMax = 100

/** What the routes of the prompt log need. */
export interface PromptLogRoutesDeps {
  readonly promptLog: PromptLog
  readonly chooseWorkspace: ChooseWorkspace
}

/**
 * The routes `/api/prompts`: what the prompt log has of a workspace, to be read and to be deleted.
 * Rows are written in batches, so an exchange turns up about half a second after its end.
 */
export function createPromptLogRoutes({
  promptLog,
  chooseWorkspace,
}: PromptLogRoutesDeps): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/prompts',
      about('List logged prompts and answers, newest first', {
        querystring: PromptsQuery,
        response: { 200: PromptPage },
      }),
      async ({ principal, query }) => {
        const { workspace, keyId, model, request: requestId, cursor, limit } = query
        const match = {
          workspaceId: chooseWorkspace(principal, workspace),
          ...(keyId !== undefined && { keyId }),
          ...(model !== undefined && { model }),
          ...(requestId !== undefined && { requestId }),
        }
        const before = cursor === undefined ? undefined : Number(cursor)
        const rowsMax = Math.min(limit, pageRowsMax)
        // One more than the page tells whether there is a next one.
        const rows = await promptLog.read(match, { before, rowsMax: rowsMax + 1 })
        const page = rows.slice(0, rowsMax)
        const last = rows.length > rowsMax ? page.at(-1) : undefined
        return { prompts: page.map(toView), nextCursor: last ? String(last.id) : null }
      },
    )
    app.delete(
      '/api/prompts',
      about('Delete logged prompts and answers', {
        querystring: PromptsDeletion,
        response: { 200: PromptsDeleted },
      }),
      async (request) => {
        const { workspace, keyId } = request.query
        const workspaceId = chooseWorkspace(request.principal, workspace)
        const match = { workspaceId, ...(keyId !== undefined && { keyId }) }
        return { deleted: await promptLog.remove(match, requesterOf(request)) }
      },
    )
  }
}

function toView({ at, requestId, keyId, model, request, response }: PromptRow) {
  return { at: new Date(at).toISOString(), requestId, keyId, model, request, response }
}
