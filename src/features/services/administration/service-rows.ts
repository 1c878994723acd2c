import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { ServiceOrigin } from '../../../protocol/api/reverse-proxy.ts'
import { NewBundle, ServiceReplacement } from '../../../protocol/api/services.ts'
import type { ServiceSettings } from '../../../protocol/api/services.ts'
import type { BundleTable, ServiceTable } from '../../../store/schema.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { canonicalJson } from '../catalogue/canonical-json.ts'
import type { Bundle, Service } from '../service.ts'
import { noSecrets, openSecrets, sealSecrets, toLiveValues } from './service-values.ts'
import type { ServiceSecrets } from './service-values.ts'

/** A service as stored. */
export type ServiceRow = Selectable<ServiceTable>

/** A bundle as stored. */
export type BundleRow = Selectable<BundleTable>

/** Whether somebody started or stopped a service by hand, or left that to its settings. */
export type DesiredState = z.output<typeof DesiredState>

const DesiredState = z.enum(['started', 'stopped', 'auto'])

/** What clients of MCP Reverse Proxy said of a service beside its settings. */
export type Origin = z.output<typeof ServiceOrigin>

/** A service in memory, with what only the management has to know. */
export interface StoredService extends Service {
  readonly desiredState: DesiredState
  readonly origin: Origin | null
  /** False where its secrets do not open; it counts as disabled then. */
  readonly isReadable: boolean
}

/** A service in the form in which it is changed. */
export interface ServiceDraft {
  /** Secrets masked. */
  readonly settings: ServiceSettings
  readonly secrets: ServiceSecrets
  readonly origin: Origin | null
}

/** The settings complete: with the isolation that suits what stands behind, where none is said. */
export function completeSettings(
  settings: Omit<ServiceSettings, 'isolation'> & {
    readonly isolation?: ServiceSettings['isolation'] | undefined
  },
): ServiceSettings {
  const usual = settings.upstream.kind === 'remote' ? 'per-session' : 'shared'
  return { ...settings, isolation: settings.isolation ?? usual }
}

/** Reads a row for changing. Throws `internal_error` where its secrets do not open. */
export function openDraft(row: ServiceRow, secretBox: SecretBox): ServiceDraft {
  return { ...readRow(row), secrets: openSecrets(row, secretBox) }
}

/** The same without its secrets, which then have to be given again. */
export function openWithoutSecrets(row: ServiceRow): ServiceDraft {
  return { ...readRow(row), secrets: noSecrets }
}

/** The columns of a draft. */
export function closeDraft(
  id: string,
  { settings, secrets, origin }: ServiceDraft,
  secretBox: SecretBox,
): Pick<ServiceRow, 'name' | 'settingsJson' | 'sealedValues' | 'path' | 'originJson'> {
  return {
    name: settings.name,
    settingsJson: JSON.stringify(settings),
    sealedValues: sealSecrets(id, secrets, secretBox),
    path: settings.path,
    originJson: origin === null ? null : JSON.stringify(origin),
  }
}

/** Makes a service ready for use. One whose secrets do not open is disabled, so that it can be mended. */
export function toService(
  row: ServiceRow,
  draft: ServiceDraft,
  isReadable: boolean,
): StoredService {
  const { settings, secrets, origin } = draft
  return Object.freeze({
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    settings: isReadable ? settings : { ...settings, enabled: false },
    values: toLiveValues(settings.upstream, secrets),
    revision: revisionOf(draft),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    desiredState: DesiredState.parse(row.desiredState),
    origin,
    isReadable,
  })
}

/** Reads a stored bundle. */
export function toBundle(row: BundleRow): Bundle {
  const { workspaceId: _workspace, ...settings } = NewBundle.parse(JSON.parse(row.settingsJson))
  return Object.freeze({
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    settings,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  })
}

/** A draft as the audit trail may keep it. */
export function auditableDraft({ settings, origin }: ServiceDraft): object {
  return origin === null ? settings : { ...settings, origin }
}

function readRow(row: ServiceRow): Omit<ServiceDraft, 'secrets'> {
  const settings = ServiceReplacement.parse(JSON.parse(row.settingsJson))
  return {
    settings: completeSettings(settings),
    origin: row.originJson === null ? null : ServiceOrigin.parse(JSON.parse(row.originJson)),
  }
}

/** SHA-256 over everything of which a child or an upstream session is made. */
function revisionOf({ settings, secrets }: ServiceDraft): string {
  const { upstream, era, interactive } = settings
  const text = JSON.stringify({
    upstream,
    era,
    interactive,
    salt: secrets.salt,
    secrets: Object.fromEntries(secrets.byName),
  })
  return createHash('sha256').update(canonicalJson(text)).digest('hex')
}
