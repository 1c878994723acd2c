import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import '../../net/management.ts'
import { describeRoutes } from '../../net/route-schema.ts'
import { UsageQuery, UsageReport, UsageRows, UsageRowsQuery } from '../../protocol/api/usage.ts'
import { summedColumns } from './daily-sums.ts'
import { toIso, toUsd } from './key-view.ts'
import type { UsageQueries, UsageSums } from './usage-query.ts'
import type { Workspaces } from './workspaces.ts'

const about = describeRoutes('usage')

/** `/api/usage`: sums by day, key, model or provider, and the single requests. */
export function usageRoutes(usage: UsageQueries, workspaces: Workspaces): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/usage',
      about('Sum up usage by day, key, model or provider', {
        querystring: UsageQuery,
        response: { 200: UsageReport },
      }),
      async (request) => {
        const { workspace, groupBy, ...filter } = request.query
        const workspaceId = workspaces.choose(request.principal, workspace)
        const groups = await usage.sum({ ...filter, workspaceId }, groupBy)
        return {
          groupBy,
          total: toSumsView(addUp(groups)),
          usage: groups.map((sums) => ({ group: sums.group, ...toSumsView(sums) })),
        }
      },
    )

    app.get(
      '/api/usage/requests',
      about('List single requests with their tokens and cost', {
        querystring: UsageRowsQuery,
        response: { 200: UsageRows },
      }),
      async (request) => {
        const { workspace, cursor, limit, ...filter } = request.query
        const workspaceId = workspaces.choose(request.principal, workspace)
        const page = await usage.rows({ ...filter, workspaceId }, { cursor, limit })
        const requests = page.rows.map(({ at, costNanoUsd, ...row }) => ({
          ...row,
          at: toIso(at),
          costUsd: toUsd(costNanoUsd),
        }))
        return { requests, nextCursor: page.nextCursor }
      },
    )
  }
}

function addUp(groups: readonly UsageSums[]): UsageSums {
  const total = { ...noSums }
  for (const sums of groups) for (const name of summedColumns) total[name] += sums[name]
  return total
}

const noSums: UsageSums = {
  requests: 0,
  errors: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  costNanoUsd: 0,
}

function toSumsView({ costNanoUsd, ...sums }: UsageSums) {
  return { ...sums, costUsd: toUsd(costNanoUsd) }
}
