import { pino } from 'pino'
import { createBundleEndpoint } from '../../src/features/services/bundles/bundle-endpoint.ts'
import type { ChangeKind } from '../../src/features/services/bundles/list-changes.ts'
import type { Member } from '../../src/features/services/bundles/member.ts'
import type { Endpoint } from '../../src/features/services/relay/relay.ts'
import { NewBundle } from '../../src/protocol/api/services.ts'
import { createSecretBox } from '../../src/store/secret-box.ts'
import { createTestClock, type TestClock } from './clock.ts'
import type { FakeEndpoint } from './fake-endpoint.ts'

/** A bundle of pretended services, whose members can be changed. */
export interface TestBundle {
  readonly endpoint: Endpoint
  readonly clock: TestClock
  /** The members as they are now. */
  members: Member[]
  /** Says that members or their lists have changed. */
  changed(kinds?: readonly ChangeKind[]): void
  /** How many relays have subscribed to that. */
  readonly watchers: number
}

const masterKey = Buffer.alloc(32, 7)

/** Creates a bundle of services, with the settings that are given. */
export function createTestBundle(
  services: readonly FakeEndpoint[],
  settings: Readonly<Record<string, unknown>> = {},
  listDeadlineMs = 5000,
): TestBundle {
  const watchers = new Set<(kinds?: readonly ChangeKind[]) => void>()
  const clock = createTestClock()
  let revision = 1
  const deps = {
    members: () => bundle.members,
    revision: () => revision,
    onMembersChanged(listener: (kinds?: readonly ChangeKind[]) => void) {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
    sealer: createSecretBox([masterKey]),
    clock,
    log: pino({ level: 'silent' }),
    config: () => ({ listDeadlineMs }),
  }
  const { workspaceId: _, ...complete } = NewBundle.parse({ name: 'all', members: [], ...settings })
  const bundle: TestBundle = {
    clock,
    members: services.map(({ endpoint }) => ({ name: endpoint.name, endpoint })),
    endpoint: createBundleEndpoint(deps, {
      id: 'bundle_1',
      workspaceId: 'workspace',
      name: 'all',
      settings: complete,
      createdAt: 0,
      updatedAt: 0,
    }),
    changed(kinds) {
      revision += 1
      for (const watcher of watchers) watcher(kinds)
    },
    get watchers() {
      return watchers.size
    },
  }
  return bundle
}
