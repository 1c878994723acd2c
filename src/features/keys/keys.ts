import type { Secret } from '../../config/secret.ts'
import type { Counters } from '../../cluster/counters.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Live } from '../../lib/live.ts'
import type { Log } from '../../lib/log.ts'
import type { SecretBox } from '../../store/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { ensureAdminKey } from './admin-key.ts'
import { createAdmit, type Admit } from './admission.ts'
import { createAuthenticate, lookUp, type Authenticate } from './authenticate.ts'
import { readSpending } from './budget-spend.ts'
import { createExclusive } from './exclusive.ts'
import { createFailedLookups } from './failed-lookups.ts'
import {
  createKeyAdministration,
  type FindProvider,
  type KeyAdministration,
} from './key-administration.ts'
import { createKeyRing, type KeyRing } from './key-ring.ts'
import { parseKeyRow } from './key-settings.ts'
import { createKeyStore } from './key-store.ts'
import type { LiveKey } from './live-key.ts'
import { createTextKeys, type TextKeys } from './text-keys.ts'
import { createUsageLedger, type UsageConfig, type UsageLedger } from './usage-ledger.ts'
import { createUsageQueries, type UsageQueries } from './usage-query.ts'
import type { UsageRecord } from './usage-record.ts'
import { openWorkspaces, type Workspaces } from './workspaces.ts'

/** What the keys feature needs. */
export interface KeysDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
  readonly secretBox: SecretBox
  readonly findProvider: FindProvider
}

/** What can be configured about keys. */
export interface KeysConfig {
  /** Whether a key may come in the query string at all. */
  readonly queryKeys: boolean
  readonly usage: UsageConfig
}

/** Workspaces, keys, limits, budgets and usage. The data plane’s part of it, the first three, never asks the store. */
export interface Keys extends AsyncDisposable {
  readonly authenticate: Authenticate
  readonly admit: Admit
  recordUsage(record: UsageRecord): void
  /** The key with that text, whether it works or not; undefined for an unknown one. */
  findByText(text: string): LiveKey | undefined
  /** The key of that id, whether it works or not. */
  findById(keyId: string): LiveKey | undefined
  /** See `ensureAdminKey`: call it once, before the first request. */
  ensureAdminKey(configured: Secret | undefined): Promise<string | undefined>
  /** Calls back with the workspace of each change of a key, once it is effective. Returns the function that ends it. */
  onChange(listener: (workspaceId: string) => void): () => void
  readonly administration: KeyAdministration
  readonly workspaces: Workspaces
  readonly textKeys: TextKeys
  readonly usage: UsageQueries
  /** Deletes usage rows older than the retention. Happens once an hour by itself. */
  sweepUsage(): Promise<void>
  /** Usage rows lost because the queue was full. */
  readonly usageRowsDropped: number
  /** Usage rows that wait to be written. */
  readonly usageRowsQueued: number
}

/**
 * Reads all keys and workspaces into memory, rebuilds what budgets have spent, and returns the feature. Disposing of it
 * writes the usage that is waiting; the store has to be open until then.
 */
export async function openKeys(deps: KeysDeps, config: Live<KeysConfig>): Promise<Keys> {
  const { store, clock, log, counters } = deps
  const listeners = new Set<(workspaceId: string) => void>()
  const onChange = (workspaceId: string) => listeners.forEach((listener) => listener(workspaceId))
  const exclusively = createExclusive()
  const ring = createKeyRing()
  const ledger = createUsageLedger(deps, () => config().usage)
  const shared = { ...deps, ring, ledger, exclusively, onChange }

  await loadKeys(deps, ring, ledger)
  const workspaces = await openWorkspaces(shared)
  const keyStore = createKeyStore(shared)
  const all = { ...shared, keyStore, workspaces }

  return {
    authenticate: createAuthenticate(
      { ring, clock, failedLookups: createFailedLookups(clock) },
      config,
    ),
    admit: createAdmit({ counters, clock, log }),
    recordUsage: (record) => ledger.record(record),
    findByText: (text) => lookUp(ring, text),
    findById: (keyId) => ring.withId(keyId),
    ensureAdminKey: (configured) => ensureAdminKey(all, configured),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    administration: createKeyAdministration(all),
    workspaces,
    textKeys: createTextKeys(all),
    usage: createUsageQueries(store, ledger),
    sweepUsage: () => ledger.sweep(),
    get usageRowsDropped() {
      return ledger.dropped
    },
    get usageRowsQueued() {
      return ledger.queued
    },
    [Symbol.asyncDispose]: () => ledger[Symbol.asyncDispose](),
  }
}

async function loadKeys(
  { store, clock, counters, log }: KeysDeps,
  ring: KeyRing,
  ledger: UsageLedger,
): Promise<void> {
  const rows = await store.db.selectFrom('keys').selectAll().execute()
  // A key whose parent is gone must not work: the limits that it was made under are not known any more.
  for (const { id, parentId } of ring.add(rows.map(parseKeyRow))) {
    log.warn({ keyId: id, parentId }, 'ignored a key whose parent does not exist')
  }
  const questions = [...ring.all()].map((key) => ({ key, budget: key.settings.budget }))
  await counters.restore(await readSpending(ledger, questions, { now: clock.now() }))
}
