import { pino } from 'pino'
import { createMemoryCounters, type MemoryCounters } from '../../src/cluster/memory-counters.ts'
import { openKeys, type Keys, type KeysConfig } from '../../src/features/keys/keys.ts'
import type { Requester } from '../../src/net/requester.ts'
import type { LiveKey } from '../../src/features/keys/live-key.ts'
import type { Principal } from '../../src/lib/principal.ts'
import type { Carrier, Inbound } from '../../src/net/exchange.ts'
import { NewKey } from '../../src/protocol/api/keys.ts'
import { createSecretBox } from '../../src/store/secret-box.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestClock, type TestClock } from './clock.ts'

/** The keys feature on a store, with the parts a test moves or looks into. */
export interface TestKeys extends Keys {
  readonly clock: TestClock
  readonly counters: MemoryCounters
  /** Makes a key as the admin would, from the body of `POST /api/keys`. */
  issue(body: object): Promise<{ key: LiveKey; text: string }>
}

/** The admin, of the workspace `default`, as a requester. */
export const adminRequester = requesterAs({
  keyId: 'key_test_admin',
  workspaceId: 'default',
  scopes: new Set(['admin']),
})

/** A provider id or name for which the feature is told that it exists. */
export const testProviderId = 'prov_test'

const masterKey = new Uint8Array(32).fill(7)

/** Opens the feature on the store, which has to outlive it. A clock is handed in to go on where another left off. */
export async function openTestKeys(
  store: Store,
  {
    clock = createTestClock(),
    config = {},
  }: { clock?: TestClock; config?: Partial<KeysConfig> } = {},
): Promise<TestKeys> {
  const counters = createMemoryCounters(clock)
  const settings: KeysConfig = {
    queryKeys: true,
    usage: { flushMs: 10, queueRowsMax: 10_000, retentionDays: 90 },
    ...config,
  }
  const keys = await openKeys(
    {
      store,
      clock,
      counters,
      log: pino({ level: 'silent' }),
      secretBox: createSecretBox([masterKey]),
      findProvider: (_, name) => (name === testProviderId ? { id: testProviderId } : undefined),
    },
    () => settings,
  )
  // Not a copy: the counts of dropped and queued rows are read through.
  return Object.assign(Object.create(keys) as Keys, {
    clock,
    counters,
    issue: (body: object) => keys.administration.create(adminRequester, NewKey.parse(body)),
    [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
  })
}

/** A requester with the rights of the principal. */
export function requesterAs(principal: Principal): Requester {
  return { principal, actor: principal.keyId, requestId: 'req_test', ip: '192.0.2.1' }
}

/** A request that carries the credentials, each by its carrier. */
export function inboundWith(
  credentials: Partial<Record<Carrier, string>>,
  ip = '192.0.2.1',
): Inbound {
  return {
    // Nothing that looks at credentials looks at the message underneath.
    req: undefined as unknown as Inbound['req'],
    id: 'req_test',
    path: '/v1/models',
    search: '',
    credentials: Object.entries(credentials).map(([carrier, text]) => ({
      carrier: carrier as Carrier,
      text,
    })),
    ip,
    startedAt: 0,
    note: { plane: 'data' },
  }
}
