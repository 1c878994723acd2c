import path from 'node:path'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import type { Principal } from '../../../lib/principal.ts'
import { readBody } from '../../../net/request-body.ts'
import { requesterOf } from '../../../net/requester.ts'
import { describeRoutes } from '../../../net/route-schema.ts'
import {
  BundleImportQuery,
  ImportReport,
  ServiceExportQuery,
  ServiceImport,
  ServiceImportQuery,
} from '../../../protocol/api/service-formats.ts'
import { isJsonObject, type JsonObject } from '../wire/json.ts'
import { exportServices } from './export-services.ts'
import { importBundle } from './import-bundle.ts'
import { importServices, type ImportDeps } from './import-services.ts'
import { readDocument } from './read-document.ts'

const about = describeRoutes('services')

const MiB = 1024 ** 2
const bundleLimits = { bytesMax: 100 * MiB, stallMs: 30_000 }

/** What the routes need. */
export interface ImportRoutesDeps extends ImportDeps {
  /** The workspace that is asked for, or the requester's own. Throws `not_found` for everybody else's. */
  readonly chooseWorkspace: (principal: Principal, asked: string | undefined) => string
  readonly dataDir: string
}

/** The routes that read services from the formats of clients, registries and bundles, and write them down again. */
export function createImportRoutes(deps: ImportRoutesDeps): FastifyPluginAsyncZod {
  const { chooseWorkspace } = deps
  const bundlesDir = path.join(deps.dataDir, 'bundles')
  return async (app) => {
    app.addContentTypeParser('application/octet-stream', (request, _payload, done) => {
      readBody(request.raw, bundleLimits).then((bytes) => done(null, bytes), done)
    })

    app.post(
      '/api/services/import',
      about('Create the services of a client’s configuration or a server.json; none is started', {
        querystring: ServiceImportQuery,
        body: z.record(z.string(), z.unknown()),
        response: { 200: ImportReport },
      }),
      async (request) => {
        const { workspace, dryRun } = request.query
        const workspaceId = chooseWorkspace(request.principal, workspace)
        const { document, format: asked, inputs: values } = unwrap(request.body)
        const { format, read } = readDocument(document, asked)
        const options = { requester: requesterOf(request), workspaceId, values, dryRun }
        return { format, dryRun, services: await importServices(deps, read, options) }
      },
    )

    app.post(
      '/api/services/import/mcpb',
      about('Create the service of an MCP bundle, sent as application/octet-stream', {
        querystring: BundleImportQuery,
        response: { 200: ImportReport },
      }),
      async (request) => {
        const { workspace, dryRun, name } = request.query
        const bytes: unknown = request.body
        if (!Buffer.isBuffer(bytes)) {
          throw new AppError(
            'unsupported_media_type',
            'Send the bundle as application/octet-stream.',
          )
        }
        const workspaceId = chooseWorkspace(request.principal, workspace)
        const requester = requesterOf(request)
        const options = { requester, workspaceId, values: {}, dryRun, name }
        const outcomes = await importBundle({ ...deps, bundlesDir }, bytes, options)
        return { format: 'mcpb', dryRun, services: outcomes }
      },
    )
    await app.register(createExportRoute(deps))
  }
}

function createExportRoute({
  chooseWorkspace,
  services,
}: Pick<ImportRoutesDeps, 'chooseWorkspace' | 'services'>): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/services/export',
      about('Write services down in the format of a client, without their secrets', {
        querystring: ServiceExportQuery,
        response: { 200: z.record(z.string(), z.unknown()) },
      }),
      async ({ principal, query }) => {
        const { workspace, format, services: names } = query
        const wanted = names?.split(',').map((name) => name.trim())
        const all = services(chooseWorkspace(principal, workspace))
        const chosen = all.filter(({ name }) => wanted === undefined || wanted.includes(name))
        return exportServices(chosen, format)
      },
    )
  }
}

/** The document alone, or with options around it. Throws `invalid_request`. */
function unwrap(body: JsonObject): z.output<typeof ServiceImport> {
  if (!isJsonObject(body['document'])) return { format: undefined, document: body, inputs: {} }
  const { data, error } = ServiceImport.safeParse(body)
  if (data !== undefined) return data
  const issues = error.issues.map((issue) => ({
    path: issue.path.join('.'),
    message: issue.message,
  }))
  throw new AppError('invalid_request', 'The request is not valid.', { issues })
}
