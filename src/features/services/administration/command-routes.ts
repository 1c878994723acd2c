import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { requireAdmin, requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import { CommandList, CommandView } from '../../../protocol/api/service-views.ts'
import { IdPath, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { CommandApproval, CommandApprovals } from './command-approvals.ts'
import { describeRisks } from './command-risks.ts'
import type { ChooseWorkspace } from './find-service.ts'

const about = describeRoutes('services')

const decisions = [
  { verb: 'approve', state: 'approved', summary: 'Let a command be run, exactly as it is' },
  { verb: 'reject', state: 'rejected', summary: 'Do not let a command be run' },
] as const

/** The routes `/api/services/commands`, for administrators. */
export function createCommandRoutes({
  approvals,
  chooseWorkspace,
}: {
  readonly approvals: CommandApprovals
  readonly chooseWorkspace: ChooseWorkspace
}): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook('preHandler', async (request) => void requireAdmin(requesterOf(request)))
    app.get(
      '/api/services/commands',
      about('List the commands that were asked for', {
        querystring: WorkspaceQuery,
        response: { 200: CommandList },
      }),
      async ({ principal, query }) => {
        const workspaceId = chooseWorkspace(principal, query.workspace)
        return { commands: approvals.list(workspaceId).map(viewCommand) }
      },
    )
    for (const { verb, state, summary } of decisions) {
      app.post(
        `/api/services/commands/:id/${verb}`,
        about(summary, { params: IdPath, response: { 200: CommandView } }),
        async (request) => {
          const { id } = request.params
          return viewCommand(await approvals.decide(requesterOf(request), id, state))
        },
      )
    }
  }
}

function viewCommand(approval: CommandApproval): z.output<typeof CommandView> {
  const { command, args, envNames, createdAt, decidedAt, ...rest } = approval
  return {
    ...rest,
    argv: [command, ...args],
    envNames: [...envNames],
    risks: describeRisks(command, args),
    createdAt: new Date(createdAt).toISOString(),
    decidedAt: decidedAt === null ? null : new Date(decidedAt).toISOString(),
  }
}
