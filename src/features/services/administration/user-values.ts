import type { Clock } from '../../../lib/clock.ts'
import { notFound } from '../../../net/requester.ts'
import type { Requester } from '../../../net/requester.ts'
import { writeAudit } from '../../../store/audit.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Store } from '../../../store/store.ts'
import type { ManagedDirectory } from './service-directory.ts'
import type { StoredService } from './service-rows.ts'
import { perUserNames, userValueContext } from './service-values.ts'

/** What the values of keys are kept with. */
export interface UserValuesDeps {
  readonly store: Store
  readonly directory: ManagedDirectory
  readonly secretBox: SecretBox
  readonly clock: Clock
}

/** The values that each key gives for itself. Whoever awaits a change finds it durable, audited and effective. */
export interface UserValues {
  /** Throws `not_found` for a value that the service does not want of each key. */
  set(
    requester: Requester,
    service: StoredService,
    value: { name: string; text: string },
  ): Promise<void>
  /** Takes back what the key has given, if it has. */
  remove(requester: Requester, service: StoredService, name: string): Promise<void>
}

/** Creates the keeper of these values. */
export function createUserValues(deps: UserValuesDeps): UserValues {
  const { store, directory, secretBox, clock } = deps
  return {
    async set(requester, service, { name, text }) {
      if (!perUserNames(service.settings.upstream).includes(name)) throw notFound('value')
      const row = placeOf(requester, service, name)
      const sealed = secretBox.seal(text, userValueContext(row))
      const columns = { sealed, updatedAt: clock.now() }
      await store.db.transaction().execute(async (trx) => {
        await trx
          .insertInto('serviceUserValues')
          .values({ ...row, ...columns })
          .onConflict((conflict) =>
            conflict.columns(['serviceId', 'keyId', 'name']).doUpdateSet(columns),
          )
          .execute()
        await writeAudit(trx, toEntry('set', requester, { service, name }))
      })
      await directory.reloadUserValues(service.id, requester.principal.keyId)
    },
    async remove(requester, service, name) {
      const { serviceId, keyId } = placeOf(requester, service, name)
      await store.db.transaction().execute(async (trx) => {
        const { numDeletedRows } = await trx
          .deleteFrom('serviceUserValues')
          .where('serviceId', '=', serviceId)
          .where('keyId', '=', keyId)
          .where('name', '=', name)
          .executeTakeFirst()
        if (numDeletedRows > 0n)
          await writeAudit(trx, toEntry('remove', requester, { service, name }))
      })
      await directory.reloadUserValues(service.id, requester.principal.keyId)
    },
  }
}

function placeOf({ principal }: Requester, { id }: StoredService, name: string) {
  return { serviceId: id, keyId: principal.keyId, name }
}

function toEntry(
  verb: 'set' | 'remove',
  { actor, requestId, ip }: Requester,
  { service, name }: { readonly service: StoredService; readonly name: string },
) {
  return {
    workspaceId: service.workspaceId,
    actor,
    requestId,
    ip,
    action: `service.value.${verb}`,
    targetType: 'service',
    targetId: service.id,
    after: { name },
  }
}
