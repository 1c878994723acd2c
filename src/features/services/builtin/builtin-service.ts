import { NewService, type ServiceSettings } from '../../../protocol/api/services.ts'
import type { Service } from '../service.ts'
import type { BuiltinServer } from './builtin-tools.ts'

/** Names of the servers that are part of Portico, and under which every workspace has them. */
export const builtinNames: readonly BuiltinServer[] = ['think', 'sequentialthinking']

/** The built-in service with that id; undefined for the id of anything else. */
export function findBuiltin(serviceId: string): Service | undefined {
  const name = builtinNames.find((candidate) => serviceId.startsWith(idOf(candidate, '')))
  return name === undefined
    ? undefined
    : builtinService(name, serviceId.slice(idOf(name, '').length))
}

/** A built-in server as a service of a workspace that has not been told of it. */
export function builtinService(name: BuiltinServer, workspaceId: string): Service {
  const parsed = NewService.parse({ name, upstream: { kind: 'builtin', server: name } })
  const settings: ServiceSettings = { ...parsed, isolation: 'per-session' }
  return {
    id: idOf(name, workspaceId),
    workspaceId,
    name,
    settings,
    values: new Map(),
    revision: 'builtin',
    createdAt: 0,
    updatedAt: 0,
  }
}

function idOf(name: BuiltinServer, workspaceId: string): string {
  return `builtin_${name}_${workspaceId}`
}
