import { Secret } from '../../../config/secret.ts'
import type { Log } from '../../../lib/log.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { Store } from '../../../store/store.ts'
import { createOneAtATime } from '../one-at-a-time.ts'
import type { Bundle, ServiceDirectory } from '../service.ts'
import { DirectoryMemory } from './directory-memory.ts'
import { openDraft, openWithoutSecrets, toBundle, toService } from './service-rows.ts'
import type { BundleRow, DesiredState, ServiceRow, StoredService } from './service-rows.ts'
import { userValueContext } from './service-values.ts'

/** What the directory is read from. */
export interface DirectoryDeps {
  readonly store: Store
  readonly secretBox: SecretBox
  readonly log: Log
}

/** The directory with what the management needs of it. */
export interface ManagedDirectory extends ServiceDirectory {
  service(id: string): StoredService | undefined
  services(workspaceId: string): readonly StoredService[]
  all(): Iterable<StoredService>
  bundle(id: string): Bundle | undefined
  /** What somebody last had done to the service by hand; `auto` for nothing, and for an unknown one. */
  desiredState(serviceId: string): DesiredState
  /** Reads a workspace from the store and swaps it in. Call it after each committed change, and when the workspace is deleted. */
  reload(workspaceId: string): Promise<void>
  /** Reads the values that keys gave for a service. Call it after each committed change, with the key whose values those are. */
  reloadUserValues(serviceId: string, keyId: string): Promise<void>
  /** Hears of every key that has given, changed or taken back a value, once that is effective. Returns the function that ends it. */
  onUserValuesChanged(listener: (serviceId: string, keyId: string) => void): () => void
}

type UserValues = ReadonlyMap<string, ReadonlyMap<string, Secret>>

const noValues: ReadonlyMap<string, Secret> = new Map()

/** Loads all services and bundles. Rejects with `storage_failed` when the store does not answer. */
export async function openServiceDirectory(deps: DirectoryDeps): Promise<ManagedDirectory> {
  const memory = new DirectoryMemory()
  const userValues = await readUserValues(deps)
  const valueListeners = new Set<(serviceId: string, keyId: string) => void>()
  // A later reload must never be overtaken by the older rows of an earlier one.
  const inTurn = createOneAtATime()

  async function load(workspaceId?: string): Promise<void> {
    const rows = await readRows(deps.store, workspaceId)
    const services = await toServices(deps, rows.services, memory.services)
    const servicesOf = Map.groupBy(services, ownerOf)
    const bundlesOf = Map.groupBy(rows.bundles.map(toBundle), ownerOf)
    const ids =
      workspaceId === undefined ? [...servicesOf.keys(), ...bundlesOf.keys()] : [workspaceId]
    for (const id of new Set(ids)) {
      memory.swap(id, servicesOf.get(id) ?? [], bundlesOf.get(id) ?? [])
    }
  }

  await inTurn(() => load())
  return {
    service: (id) => memory.services.get(id),
    bundle: (id) => memory.bundles.get(id),
    find: (workspaceId, nameOrId) => memory.find(workspaceId, nameOrId),
    findByPath: (workspaceId, path) => memory.findByPath(workspaceId, path),
    services: (workspaceId) => memory.workspace(workspaceId).services,
    bundles: (workspaceId) => memory.workspace(workspaceId).bundles,
    all: () => memory.services.values(),
    userValues: (serviceId, keyId) => userValues.get(serviceId)?.get(keyId) ?? noValues,
    desiredState: (serviceId) => memory.services.get(serviceId)?.desiredState ?? 'auto',
    reload: (workspaceId) => inTurn(() => load(workspaceId)),
    reloadUserValues: (serviceId, keyId) =>
      inTurn(async () => {
        const values = await readUserValues(deps, serviceId)
        userValues.set(serviceId, values.get(serviceId) ?? new Map())
        for (const listener of valueListeners) listener(serviceId, keyId)
      }),
    onUserValuesChanged(listener) {
      valueListeners.add(listener)
      return () => valueListeners.delete(listener)
    },
    onChange: (listener) => memory.onChange(listener),
  }
}

/** The rows of one workspace, or of all, oldest first. */
async function readRows(
  { db }: Store,
  workspaceId?: string,
): Promise<{ services: ServiceRow[]; bundles: BundleRow[] }> {
  const services = db.selectFrom('services').selectAll().orderBy('createdAt').orderBy('id')
  const bundles = db.selectFrom('bundles').selectAll().orderBy('createdAt').orderBy('id')
  if (workspaceId === undefined) {
    return { services: await services.execute(), bundles: await bundles.execute() }
  }
  return {
    services: await services.where('workspaceId', '=', workspaceId).execute(),
    bundles: await bundles.where('workspaceId', '=', workspaceId).execute(),
  }
}

/** A service whose row did not change stays the object that it is. */
async function toServices(
  { secretBox, log }: DirectoryDeps,
  rows: readonly ServiceRow[],
  known: ReadonlyMap<string, StoredService>,
): Promise<StoredService[]> {
  const read = async (row: ServiceRow): Promise<StoredService> => {
    const before = known.get(row.id)
    const isSame = before?.updatedAt === row.updatedAt && before.desiredState === row.desiredState
    if (isSame) return before
    const draft = await Promise.try(openDraft, row, secretBox).catch((err: unknown) => {
      log.error({ err, serviceId: row.id }, 'secrets of a service cannot be read, it is disabled')
    })
    return toService(row, draft ?? openWithoutSecrets(row), draft !== undefined)
  }
  return Promise.all(rows.map(read))
}

function ownerOf({ workspaceId }: { readonly workspaceId: string }): string {
  return workspaceId
}

/** By service, then by key. A value that does not open is as if it had not been given. */
async function readUserValues(
  { store, secretBox, log }: DirectoryDeps,
  serviceId?: string,
): Promise<Map<string, UserValues>> {
  const query = store.db.selectFrom('serviceUserValues').selectAll()
  const rows = await (
    serviceId === undefined ? query : query.where('serviceId', '=', serviceId)
  ).execute()
  const values = new Map<string, Map<string, Map<string, Secret>>>()
  for (const row of rows) {
    const context = userValueContext(row)
    const text = await Promise.try(() => secretBox.open(row.sealed, context)).catch(
      (err: unknown) => {
        log.error({ err, serviceId: row.serviceId }, 'value of a key cannot be read')
      },
    )
    if (text === undefined) continue
    const ofService = values.get(row.serviceId) ?? new Map<string, Map<string, Secret>>()
    const ofKey = ofService.get(row.keyId) ?? new Map<string, Secret>()
    values.set(row.serviceId, ofService.set(row.keyId, ofKey.set(row.name, new Secret(text))))
  }
  return values
}
