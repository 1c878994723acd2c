import type { Transaction } from 'kysely'
import type { Counters } from '../../cluster/counters.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Author } from '../../net/requester.ts'
import { writeAudit } from '../../store/audit.ts'
import type { Schema } from '../../store/schema.ts'
import type { Store } from '../../store/store.ts'
import { budgetPeriods } from './budget-period.ts'
import { readSpending } from './budget-spend.ts'
import type { KeyRing } from './key-ring.ts'
import { toKeyRow, type KeySettings } from './key-settings.ts'
import { toKeyView } from './key-view.ts'
import type { LiveKey } from './live-key.ts'
import type { UsageLedger } from './usage-ledger.ts'

/** What changes of keys need. */
export interface KeyStoreDeps {
  readonly store: Store
  readonly clock: Clock
  readonly ring: KeyRing
  readonly counters: Counters
  readonly ledger: UsageLedger
  /** Hears of every workspace in which a key has changed, once the change is effective. */
  readonly onChange: (workspaceId: string) => void
}

/**
 * Changes keys: in the store, together with the audit row, and only then in memory.
 * Changes must not overlap; the caller sees to it that each begins when the one before is through.
 */
export interface KeyStore {
  /** Throws `conflict` when another key has the same text. */
  insert(settings: KeySettings, author: Author): Promise<LiveKey>
  /** `action` is what the audit trail calls it. Throws `conflict` when another key has the same text. */
  replace(key: LiveKey, change: Partial<KeySettings>, audit: Audited): Promise<LiveKey>
  /** Deletes a key and all keys below it. */
  remove(key: LiveKey, author: Author): Promise<void>
}

/** What the audit trail has to say about a change. */
interface Audited extends Author {
  readonly action: 'key.update' | 'key.rotate'
}

/** Creates the key store. */
export function createKeyStore(deps: KeyStoreDeps): KeyStore {
  const { store, clock, ring, counters, ledger, onChange } = deps

  return {
    async insert(settings, author) {
      await store.db.transaction().execute(async (trx) => {
        await trx.insertInto('keys').values(toKeyRow(settings)).execute()
        await audit(trx, { ...author, action: 'key.create' }, { after: settings })
      })
      ring.add([settings])
      onChange(settings.workspaceId)
      return ring.withId(settings.id) as LiveKey
    },

    async replace(key, change, audited) {
      const before = key.settings
      const after = { ...before, ...change, updatedAt: clock.now() }
      const write = () =>
        store.db.transaction().execute(async (trx) => {
          await trx.updateTable('keys').set(toKeyRow(after)).where('id', '=', key.keyId).execute()
          await audit(trx, audited, { before, after })
        })
      // A budget that the key did not have was not counted so far: the ledger says how much of it is spent already.
      const question = { key, budget: addedBudget(before.budget, after.budget) }
      const options = { now: after.updatedAt, meanwhile: write }
      const totals = await readSpending(ledger, [question], options)
      if (totals.length > 0) await counters.restore(totals)
      ring.replace(key, after)
      onChange(key.workspaceId)
      return key
    },

    async remove(key, author) {
      const gone = [...key.subtree()]
      const keyIds = new Set(gone.map(({ keyId }) => keyId))
      await ledger.handOver({ keyIds, heir: key.parent?.keyId ?? null }, async (trx) => {
        await trx
          .deleteFrom('keys')
          .where('id', 'in', [...keyIds])
          .execute()
        for (const { settings } of gone) {
          await audit(trx, { ...author, action: 'key.delete' }, { before: settings })
        }
      })
      const names = budgetCounters(gone)
      ring.remove(key)
      await counters.forget(names)
      onChange(key.workspaceId)
    },
  }
}

/** The names of the counters of these keys that do not end by themselves when nobody asks for them any more. */
export function budgetCounters(keys: readonly LiveKey[]): string[] {
  return keys.flatMap(({ keyId, limits }) =>
    limits.flatMap((limit) =>
      limit.measure === 'budget' && limit.keyId === keyId ? [limit.current.name] : [],
    ),
  )
}

function addedBudget(before: KeySettings['budget'], after: KeySettings['budget']) {
  const added = { ...after }
  for (const period of budgetPeriods) if (before[period] !== null) added[period] = null
  return added
}

interface States {
  readonly before?: KeySettings
  readonly after?: KeySettings
}

async function audit(
  trx: Transaction<Schema>,
  { actor, requestId, ip, action }: Author & { readonly action: string },
  { before, after }: States,
): Promise<void> {
  const target = (after ?? before) as KeySettings
  await writeAudit(trx, {
    workspaceId: target.workspaceId,
    actor,
    action,
    targetType: 'key',
    targetId: target.id,
    before: before && toKeyView(before),
    after: after && toKeyView(after),
    requestId,
    ip,
  })
}
