import { AppError } from '../../../lib/errors.ts'
import type { ManagedDirectory } from './service-directory.ts'
import { deriveName, nameInPath } from './service-names.ts'
import type { ServiceDraft } from './service-rows.ts'

/** A name in URLs for a service that may be called anything; its own name counts as free. */
export function freeName(
  directory: ManagedDirectory,
  { id, workspaceId }: { id?: string; workspaceId: string },
  title: string,
): string {
  return deriveName(title, (name) => isNameTaken(directory, { id, workspaceId, name }))
}

/** Says whether the name already leads to something other than `id`. */
export function isNameTaken(
  directory: ManagedDirectory,
  { id, workspaceId, name }: { id?: string | undefined; workspaceId: string; name: string },
): boolean {
  const named = directory.find(workspaceId, name)
  const ownerId = named?.kind === 'service' ? named.service.id : named?.bundle.id
  if (ownerId !== undefined && ownerId !== id) return true
  return directory
    .services(workspaceId)
    .some(({ id: other, settings }) => other !== id && nameInPath(settings.path ?? '') === name)
}

/** Throws `conflict` where the name or the path of the draft already leads to something else. */
export function requireFree(
  directory: ManagedDirectory,
  { id, workspaceId, draft }: { id: string; workspaceId: string; draft: ServiceDraft },
): void {
  const { name, path } = draft.settings
  if (isNameTaken(directory, { id, workspaceId, name })) {
    throw new AppError('conflict', `The name "${name}" is taken by a service, bundle or path.`, {
      param: 'name',
    })
  }
  if (path === null) return
  const others = directory.services(workspaceId).filter((service) => service.id !== id)
  const meant = directory.find(workspaceId, nameInPath(path) ?? '')
  const meantId = meant?.kind === 'service' ? meant.service.id : meant?.bundle.id
  const isTaken = others.some(({ settings }) => settings.path === path)
  if (isTaken || (meantId !== undefined && meantId !== id)) {
    throw new AppError('conflict', `The path ${path} already leads to another service.`, {
      param: 'path',
    })
  }
}
