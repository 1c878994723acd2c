import type { Keys } from '../features/keys/keys.ts'
import type { LiveKey } from '../features/keys/live-key.ts'
import type { AdministrationKeys } from '../features/models/administration/administration.ts'
import type { ModelsDependencies } from '../features/models/models.ts'
import { AppError } from '../lib/errors.ts'
import { hasScope } from '../lib/principal.ts'
import type { Carrier, Exchange } from '../net/exchange.ts'
import { systemAuthor, type Author } from '../net/requester.ts'

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

/** What the models feature is handed of the keys feature. */
type KeysForModels = Pick<ModelsDependencies, 'access' | keyof AdministrationKeys>

/** Hands the models feature what it needs of the keys feature. `isOpen`: any unknown settings id makes a workspace. */
export function keysForModels(keys: Keys, isOpen: () => boolean): KeysForModels {
  const rule = { carriers: modelCarriers, scope: 'models:use' } as const
  return {
    access: {
      authenticate: (inbound) => keys.authenticate(inbound, rule),
      admit: (caller, estimate) => keys.admit(caller as LiveKey, estimate),
      recordUsage: (record) => keys.recordUsage(record),
    },
    chooseWorkspace: (principal, asked) => keys.workspaces.choose(principal, asked),
    findKey: (keyId) => keys.findById(keyId),
    settingsKeys: keys.textKeys,
    settingsAccess: {
      find: (exchange, listId) =>
        isOpen() && keys.findByText(listId) === undefined
          ? undefined
          : ownerOf(keys, exchange, listId),
      create: async (exchange, listId) =>
        isOpen() ? keys.textKeys.openWorkspace(listId, authorOf(exchange)) : undefined,
      isAllowed: ({ keyId }) => {
        const key = keys.findById(keyId)
        return key !== undefined && hasScope(key, 'manage') && key.standing(Date.now()) === 'usable'
      },
    },
  }
}

/** A settings id is a key in the path: it is judged like one in a header, failed attempts are counted alike. */
function ownerOf(keys: Keys, exchange: Exchange, listId: string): LiveKey | undefined {
  const credentials = [{ carrier: 'authorization', text: listId } as const]
  const rule = { carriers: managementCarriers, scope: 'manage' } as const
  try {
    return keys.authenticate({ ...exchange, credentials }, rule)
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_api_key') return undefined
    throw error
  }
}

function authorOf({ id, ip }: Exchange): Author {
  return { ...systemAuthor, requestId: id, ip }
}
