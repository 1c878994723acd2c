import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  ApprovedCount,
  ChangeApproval,
  ServiceChanges,
  ServiceTools,
} from '../../../protocol/api/service-views.ts'
import { IdPath, WorkspaceQuery } from '../../../protocol/api/workspaces.ts'
import type { ListedItem, ListKind, PublishedCatalogue } from '../catalogue/catalogue.ts'
import { compileFilter } from '../catalogue/filter.ts'
import { mapLists } from '../catalogue/quarantine.ts'
import type { ManagedCatalogue } from '../catalogue/service-catalogue.ts'
import { isJsonObject, textAt } from '../wire/json.ts'
import type { FindService } from './find-service.ts'
import type { StoredService } from './service-rows.ts'
import type { CountTokens } from './token-count.ts'

const about = describeRoutes('services')

/** What these routes work on. */
export interface DefinitionRoutesDeps {
  readonly catalogue: ManagedCatalogue
  readonly find: FindService
  readonly countTokens: CountTokens
}

type ToolsView = z.output<typeof ServiceTools>

/** What a service offers: the tree of its tools, what changed in them, and the approval of that. */
export function createDefinitionRoutes(deps: DefinitionRoutesDeps): FastifyPluginAsyncZod {
  const { catalogue, find } = deps
  const asked = { params: IdPath, querystring: WorkspaceQuery }
  return async (app) => {
    app.get(
      '/api/services/:id/tools',
      about('Show what a service offers', { ...asked, response: { 200: ServiceTools } }),
      async (request) => viewTools(deps, find(request)),
    )
    app.get(
      '/api/services/:id/changes',
      about('Show which definitions wait for approval', {
        ...asked,
        response: { 200: ServiceChanges },
      }),
      async (request) => {
        const changes = catalogue.changes(find(request).id)
        return { changes: changes.map((change) => ({ ...change, diff: [...change.diff] })) }
      },
    )
    app.post(
      '/api/services/:id/approve',
      about('Approve changed definitions', {
        ...asked,
        body: ChangeApproval,
        response: { 200: ApprovedCount },
      }),
      async (request) => {
        const author = requesterOf(request)
        return { approved: await catalogue.approve(find(request), request.body, author) }
      },
    )
  }
}

function viewTools(deps: DefinitionRoutesDeps, service: StoredService): ToolsView {
  const published = deps.catalogue.published(service.id)
  const lists = mapLists((kind) => viewList(deps, service, kind))
  const shown = lists.tools.filter(({ isHidden, isQuarantined }) => !isHidden && !isQuarantined)
  return {
    fetchedAt: published === undefined ? null : new Date(published.fetchedAt).toISOString(),
    server: published === undefined ? null : viewServer(published),
    tokenCount: shown.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
    ...lists,
  }
}

function viewServer({ hello }: PublishedCatalogue): ToolsView['server'] {
  const { era, protocolVersion, serverInfo, capabilities, instructions = null } = hello
  return { era, protocolVersion, info: serverInfo, instructions, capabilities }
}

function viewList(
  { catalogue, countTokens }: DefinitionRoutesDeps,
  { id, settings }: StoredService,
  kind: ListKind,
): ToolsView['tools'] {
  const filter = compileFilter(settings.filter)
  const published = catalogue.published(id)?.lists[kind].byUpstreamName
  return (catalogue.fetched(id)?.lists[kind] ?? []).map((item) => {
    const shown = published?.get(item.name)
    const entry = shown ?? { ...item, upstreamName: item.name }
    const isHidden = !filter.shows(kind, item.name)
    return {
      ...viewDefinition(entry),
      name: entry.name,
      upstreamName: item.name,
      isHidden,
      isQuarantined: shown === undefined && !isHidden,
      tokenCount: countTokens(entry),
    }
  })
}

function viewDefinition({
  json,
}: Pick<ListedItem, 'json'>): Pick<
  ToolsView['tools'][number],
  'description' | 'annotations' | 'definition'
> {
  const parsed: unknown = JSON.parse(json)
  const definition = isJsonObject(parsed) ? parsed : {}
  const annotations = definition['annotations']
  return {
    definition,
    description: textAt(definition, 'description') ?? null,
    annotations: isJsonObject(annotations) ? annotations : null,
  }
}
