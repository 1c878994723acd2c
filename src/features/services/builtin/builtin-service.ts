import { NewService, type ServiceSettings } from '../../../protocol/api/services.ts'
import type { Service } from '../service.ts'
import type { BuiltinServer } from './builtin-tools.ts'

/** Names of the servers that are part of Portico, and under which every workspace has them. */
export const builtinNames: readonly BuiltinServer[] = ['think', 'sequentialthinking']

/** A built-in server as a service of a workspace that has not been told of it. */
export function builtinService(name: BuiltinServer, workspaceId: string): Service {
  const parsed = NewService.parse({ name, upstream: { kind: 'builtin', server: name } })
  const settings: ServiceSettings = { ...parsed, isolation: 'per-session' }
  return {
    id: `builtin_${name}_${workspaceId}`,
    workspaceId,
    name,
    settings,
    values: new Map(),
    revision: 'builtin',
    createdAt: 0,
    updatedAt: 0,
  }
}
