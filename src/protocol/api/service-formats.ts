import { z } from 'zod'
import { ServiceName } from './services.ts'

/** Formats in which services are written down elsewhere and can be read. */
export const ImportFormat = z.enum([
  'claude-desktop',
  'cursor',
  'vscode',
  'claude-code',
  'server.json',
  'portico',
])

/** Formats in which services can be given out. */
export const ExportFormat = z.enum(['claude-desktop', 'cursor', 'vscode', 'claude-code', 'portico'])

/** Body of `POST /api/services/import` with options; the document alone is accepted as well. */
export const ServiceImport = z.strictObject({
  format: ImportFormat.optional().describe('Found out where left out.'),
  document: z.record(z.string(), z.unknown()),
  inputs: z
    .record(z.string(), z.string().max(32_768))
    .default({})
    .describe('Values of placeholders that an earlier answer named.'),
})

/** Query of both imports. */
export const ServiceImportQuery = z.strictObject({
  workspace: z.string().optional(),
  dryRun: z.stringbool().default(false).describe('Says what would happen, and changes nothing.'),
})

/** Query of `POST /api/services/import/mcpb`. */
export const BundleImportQuery = ServiceImportQuery.extend({
  name: ServiceName.optional().describe('Instead of the name in the manifest.'),
})

/** Something that a service needs and the document does not say. */
export const NeededInput = z.object({
  name: z.string(),
  description: z.string(),
  isSecret: z.boolean(),
  fields: z.array(z.string()).describe('Where `${input:name}` stands for it, e.g. `env.API_KEY`.'),
})

/** What became of one service of a document. */
export const ImportedServiceReport = z.object({
  name: z.string().describe('As created; as in the document where it was not.'),
  status: z.enum(['created', 'skipped', 'failed']),
  id: z.string().nullable(),
  message: z.string(),
  warnings: z.array(z.string()),
  inputs: z
    .array(NeededInput)
    .describe('To be filled in before the service is enabled: with `inputs`, or with PATCH.'),
})

/** Answer of both imports. */
export const ImportReport = z.object({
  format: z.string(),
  dryRun: z.boolean(),
  services: z.array(ImportedServiceReport),
})

/** Query of `GET /api/services/export`. */
export const ServiceExportQuery = z.strictObject({
  workspace: z.string().optional(),
  format: ExportFormat.default('portico'),
  services: z.string().optional().describe('Names, separated by commas; all where left out.'),
})
