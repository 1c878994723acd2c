import type { Keys } from '../features/keys/keys.ts'
import type { LiveKey } from '../features/keys/live-key.ts'
import type { Caller, CallRecord } from '../features/services/caller.ts'
import type { ServicesDependencies } from '../features/services/services.ts'
import { hasScope } from '../lib/principal.ts'
import type { Carrier, Inbound } from '../net/exchange.ts'

/** Where MCP clients carry their key. */
const serviceCarriers: ReadonlySet<Carrier> = new Set<Carrier>([
  'authorization',
  'x-api-key',
  'apikey',
  'api-key',
  'query',
])

const nanoUsd = 1e9

/** What the services feature is handed of the keys feature. */
type KeysForServices = Pick<
  ServicesDependencies,
  'access' | 'anonymousCaller' | 'chooseWorkspace' | 'isOwnKey' | 'isUsable' | 'mayUse'
>

/** Hands the services feature what it needs of the keys feature. `anonymous`: programs of this machine need no key. */
export function keysForServices(keys: Keys, anonymous: () => 'off' | 'loopback'): KeysForServices {
  const rule = { carriers: serviceCarriers, scope: 'services:use' } as const
  const callers = new WeakMap<LiveKey, KeyCaller>()
  const callerOf = (key: LiveKey): KeyCaller => {
    const known = callers.get(key)
    if (known !== undefined) return known
    const caller = new KeyCaller(key)
    callers.set(key, caller)
    return caller
  }
  return {
    access: {
      authenticate: (inbound) => callerOf(keys.authenticate(inbound, rule)),
      admit(caller, costUsd) {
        if (!(caller instanceof KeyCaller)) return free
        const costNanoUsd = costUsd * nanoUsd
        const admission = keys.admit(caller.key, { tokens: 0, costNanoUsd })
        const settling = (granted: Awaited<typeof admission>) => ({
          settle: () => granted.settle({ tokens: 0, costNanoUsd }),
          release: () => granted.release(),
        })
        return admission instanceof Promise ? admission.then(settling) : settling(admission)
      },
      recordCall: (record) => keys.recordUsage(toUsage(record)),
    },
    anonymousCaller: (inbound) =>
      anonymous() === 'loopback' && isLocalProgram(inbound) ? localPrograms : undefined,
    chooseWorkspace: (principal, asked) => keys.workspaces.choose(principal, asked),
    isOwnKey: (text) => keys.findByText(text) !== undefined,
    isUsable: ({ keyId }) => keys.findById(keyId)?.standing(Date.now()) === 'usable',
    mayUse({ keyId }, service) {
      const key = keys.findById(keyId)
      return key !== undefined && callerOf(key).allowsService(service)
    },
  }
}

/** A key as a caller of services. Its allow-list names services (`files`), or tools of them (`files/read`). */
class KeyCaller implements Caller {
  readonly key: LiveKey
  readonly keyId: string
  readonly workspaceId: string

  constructor(key: LiveKey) {
    this.key = key
    this.keyId = key.keyId
    this.workspaceId = key.workspaceId
  }

  get runsCommands(): boolean {
    return hasScope(this.key, 'services:run-command')
  }

  allowsService(name: string): boolean {
    return this.key.allowsService(name) || namesToolsOf(this.key, name)
  }

  allowsTool(service: string, tool: string): boolean {
    const { key } = this
    return key.allowsService(service) || key.allowsService(`${service}/${tool}`)
  }

  isUsable(): boolean {
    return this.key.standing(Date.now()) === 'usable'
  }
}

/** Says whether every list in the chain of the key allows the service or at least some tool of it. */
function namesToolsOf({ settings, parent }: LiveKey, service: string): boolean {
  const { allowedServices } = settings
  const isNamed =
    allowedServices === null ||
    allowedServices.some(
      (entry) =>
        entry === service ||
        entry.startsWith(`${service}/`) ||
        (entry.endsWith('*') && service.startsWith(entry.slice(0, -1))),
    )
  return isNamed && (parent === undefined || namesToolsOf(parent, service))
}

/** Programs of this machine, where they need no key. */
const localPrograms: Caller = {
  keyId: 'anonymous',
  workspaceId: 'default',
  runsCommands: false,
  allowsService: () => true,
  allowsTool: () => true,
  isUsable: () => true,
}

const free = { settle: () => undefined, release: () => undefined }

/** A browser on this machine acts for whatever page is open in it, so what a page may have sent is nobody's. */
function isLocalProgram({ ip, req: { headers } }: Inbound): boolean {
  const isLocal = ip === '127.0.0.1' || ip === '::1'
  const isFromPage = headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
  return isLocal && !isFromPage
}

function toUsage(record: CallRecord): Parameters<Keys['recordUsage']>[0] {
  const { asked, serviceId, used, costUsd, ...others } = record
  return {
    ...others,
    modelAsked: asked,
    providerId: serviceId,
    modelUsed: used,
    inputTokens: null,
    outputTokens: null,
    cachedTokens: null,
    costNanoUsd: costUsd * nanoUsd,
    usageSource: 'absent',
    attempts: 1,
  }
}
