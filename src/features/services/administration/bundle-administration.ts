import type { z } from 'zod'
import type { Clock } from '../../../lib/clock.ts'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type { Principal } from '../../../lib/principal.ts'
import { maySee, notFound } from '../../../net/requester.ts'
import type { Requester } from '../../../net/requester.ts'
import type { BundleChange, BundleSettings, NewBundle } from '../../../protocol/api/services.ts'
import type { Bundle } from '../service.ts'
import { isNameTaken } from './free-names.ts'
import { requireUnchanged } from './service-change.ts'
import type { ChangeServices } from './service-change.ts'
import type { ManagedDirectory } from './service-directory.ts'
import { refuseReservedName } from './service-names.ts'

/** What the administration of bundles works on. */
export interface BundleAdministrationDeps {
  readonly directory: ManagedDirectory
  readonly change: ChangeServices
  readonly clock: Clock
}

/**
 * The management of bundles. A foreign or unknown id is `not_found`. Changes throw `conflict` for a taken name,
 * `reserved_name`, and `invalid_request` for members that do not exist or would be called alike.
 */
export interface BundleAdministration {
  /** By id, or by name in `workspaceId`. */
  get(principal: Principal, workspaceId: string, idOrName: string): Bundle
  create(
    requester: Requester,
    workspaceId: string,
    body: z.output<typeof NewBundle>,
  ): Promise<Bundle>
  update(requester: Requester, bundle: Bundle, body: z.output<typeof BundleChange>): Promise<Bundle>
  remove(requester: Requester, bundle: Bundle): Promise<void>
}

/** Creates the management of bundles. */
export function createBundleAdministration(deps: BundleAdministrationDeps): BundleAdministration {
  const { directory, change, clock } = deps

  function live(id: string): Bundle {
    const bundle = directory.bundle(id)
    if (bundle === undefined) throw notFound('bundle')
    return bundle
  }

  return {
    get(principal, workspaceId, idOrName) {
      const named = directory.find(workspaceId, idOrName)
      const bundle = live(named?.kind === 'bundle' ? named.bundle.id : idOrName)
      if (!maySee(principal, bundle.workspaceId)) throw notFound('bundle')
      return bundle
    },
    async create(requester, workspaceId, { workspaceId: _workspace, ...settings }) {
      const id = newId('bundle')
      await change(workspaceId, requester, async (trx) => {
        checkBundle(directory, { id, workspaceId, settings })
        const now = clock.now()
        await trx
          .insertInto('bundles')
          .values({ ...toColumns(settings), id, workspaceId, createdAt: now, updatedAt: now })
          .execute()
        return [{ ...recordOf('create', id), after: settings }]
      })
      return live(id)
    },
    async update(requester, { id, workspaceId }, body) {
      await change(workspaceId, requester, async (trx) => {
        const { settings: before, updatedAt } = live(id)
        const given = Object.entries(body).filter(([, value]) => value !== undefined)
        const after: BundleSettings = { ...before, ...Object.fromEntries(given) }
        checkBundle(directory, { id, workspaceId, settings: after })
        const { numUpdatedRows } = await trx
          .updateTable('bundles')
          .set({ ...toColumns(after), updatedAt: Math.max(clock.now(), updatedAt + 1) })
          .where('id', '=', id)
          .where('updatedAt', '=', updatedAt)
          .executeTakeFirst()
        requireUnchanged(numUpdatedRows)
        return [{ ...recordOf('update', id), before, after }]
      })
      return live(id)
    },
    remove: (requester, { id, workspaceId }) =>
      change(workspaceId, requester, async (trx) => {
        const { settings: before } = live(id)
        await trx.deleteFrom('bundles').where('id', '=', id).execute()
        return [{ ...recordOf('delete', id), before }]
      }),
  }
}

function checkBundle(
  directory: ManagedDirectory,
  { id, workspaceId, settings }: { id: string; workspaceId: string; settings: BundleSettings },
): void {
  const { name, members } = settings
  refuseReservedName(name)
  if (isNameTaken(directory, { id, workspaceId, name })) {
    throw new AppError('conflict', `The name "${name}" is taken by a service, bundle or path.`, {
      param: 'name',
    })
  }
  const prefixes = new Set<string>()
  const issues = members.flatMap(({ service, alias = service }, at) => {
    const isKnown = directory.find(workspaceId, service)?.kind === 'service'
    const isRepeated = prefixes.has(alias)
    prefixes.add(alias)
    const path = `members.${at}`
    if (!isKnown) return [{ path, message: `There is no service "${service}".` }]
    return isRepeated ? [{ path, message: `"${alias}" is there twice; give it an alias.` }] : []
  })
  if (issues.length === 0) return
  throw new AppError('invalid_request', 'The members are not valid.', { issues })
}

function toColumns(settings: BundleSettings): { name: string; settingsJson: string } {
  return { name: settings.name, settingsJson: JSON.stringify(settings) }
}

function recordOf(verb: 'create' | 'update' | 'delete', id: string) {
  return { action: `bundle.${verb}`, targetType: 'bundle', targetId: id } as const
}
