import type { Keys } from '../features/keys/keys.ts'
import type { LiveKey } from '../features/keys/live-key.ts'
import type { ModelsDependencies } from '../features/models/models.ts'
import type { Carrier } from '../net/exchange.ts'

/** Where clients of the models API carry their key. Its query is the upstream's; only contracts of other routes have keys in theirs. */
const modelCarriers: ReadonlySet<Carrier> = new Set<Carrier>([
  'authorization',
  'x-api-key',
  'apikey',
  'api-key',
  'x-goog-api-key',
  'query',
])

/** Where the management API looks for a key. */
export const managementCarriers: ReadonlySet<Carrier> = new Set<Carrier>([
  'authorization',
  'x-api-key',
  'query',
])

/** Hands the models feature what it needs of the keys feature. */
export function keysForModels(
  keys: Keys,
  _isOpen: () => boolean,
): Pick<ModelsDependencies, 'access' | 'chooseWorkspace'> {
  const rule = { carriers: modelCarriers, scope: 'models:use' } as const
  return {
    access: {
      authenticate: (inbound) => keys.authenticate(inbound, rule),
      admit: (caller, estimate) => keys.admit(caller as LiveKey, estimate),
      recordUsage: (record) => keys.recordUsage(record),
    },
    chooseWorkspace: (principal, asked) =>
      keys.workspaces.choose({ principal, actor: principal.keyId, requestId: '', ip: '' }, asked),
  }
}
