import { rm } from 'node:fs/promises'
import path from 'node:path'
import { makeExecutable, openBundle } from './bundle-archive.ts'
import { parseManifest, readBundleManifest } from './bundle-manifest.ts'
import {
  importServices,
  type ImportDeps,
  type ImportOptions,
  type ImportOutcome,
} from './import-services.ts'
import { toServiceName } from './service-name.ts'

/** What the import of a bundle needs beside. */
export interface BundleImportDeps extends ImportDeps {
  /** Folder below which bundles are unpacked, each in one of its own. */
  readonly bundlesDir: string
}

/** Where to, and under which name instead of the one in the manifest. */
export type BundleImportOptions = ImportOptions & { readonly name: string | undefined }

/**
 * Unpacks a bundle and creates the service that runs it. Without a service, nothing of it stays. Throws
 * `invalid_request` and `request_too_large` for a bundle that is not fit.
 */
export async function importBundle(
  deps: BundleImportDeps,
  bytes: Buffer,
  { name, ...options }: BundleImportOptions,
): Promise<ImportOutcome[]> {
  const bundle = await openBundle(bytes)
  const { manifest, name: ownName } = parseManifest(bundle.manifest)
  const folderName = `${toServiceName(ownName, new Set())}-${bundle.hash}`
  const folder = path.resolve(deps.bundlesDir, folderName)
  const read = readBundleManifest(manifest, { folder, platform: process.platform })
  const services = read.services.map((service) => ({ ...service, name: name ?? service.name }))
  const document = { ...read, services }
  if (options.dryRun) return importServices(deps, document, options)

  await using undo = new AsyncDisposableStack()
  if ((await bundle.unpack(folder)) === 'unpacked') {
    undo.defer(() => rm(folder, { recursive: true, force: true }))
  }
  for (const { body } of services) {
    const { upstream } = body
    const isOwn = upstream.kind === 'process' && upstream.command.startsWith(folder + path.sep)
    if (isOwn) await makeExecutable(upstream.command)
  }
  const outcomes = await importServices(deps, document, options)
  if (outcomes.some(({ status }) => status !== 'failed')) undo.move()
  return outcomes
}
