import type { Selectable } from 'kysely'
import { z } from 'zod'
import { Secret } from '../../../config/secret.ts'
import {
  ProviderKind,
  ProviderOptions,
  ProviderPrices,
  ProviderTimeouts,
} from '../../../protocol/api/providers.ts'
import type { AliasTable, ProviderTable } from '../../../store/schema.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { toBaseUrl } from './base-url.ts'
import { Circuit } from '../routing/circuit.ts'
import { parseModelList } from './model-names.ts'
import { createPriceList } from './prices.ts'
import type {
  Alias,
  Credential,
  Provider,
  ProviderHealth,
  ProviderTimeouts as Timeouts,
} from './provider.ts'

/** A provider as stored. */
export type ProviderRow = Selectable<ProviderTable>

/** An alias as stored. */
export type AliasRow = Selectable<AliasTable>

/** One element of a provider's sealed list: a credential, or the value of a header that is as secret as one. */
export type SealedSecret = z.output<typeof SealedSecret>

const SealedSecret = z.union([
  z.strictObject({ id: z.string(), label: z.string(), text: z.string() }),
  z.strictObject({ header: z.string(), text: z.string() }),
])

/** Stands in `headersJson`, and in everything shown, for a header value that is sealed. */
export const sealedHeaderMark = '[secret]'

/** The columns of a provider that hold JSON, read. */
export interface ProviderColumns {
  readonly headers: Readonly<Record<string, string>>
  readonly models: readonly string[]
  readonly prices: z.output<typeof ProviderPrices>
  readonly timeouts: z.output<typeof ProviderTimeouts>
  readonly options: z.output<typeof StoredOptions>
}

const StoredOptions = ProviderOptions.extend({
  /** Name in the Doroseek settings list, where several items may be called alike. */
  settingsName: z.string().optional(),
})
const StringList = z.array(z.string())
const StringRecord = z.record(z.string(), z.string())
const StoredTargets = z.array(
  z.strictObject({
    providerId: z.string(),
    model: z.string(),
    weight: z.number(),
    priority: z.number(),
  }),
)

/** Parses the JSON columns of a provider. Throws where the row was not written by us. */
export function readColumns(row: ProviderRow): ProviderColumns {
  return {
    headers: StringRecord.parse(JSON.parse(row.headersJson)),
    models: StringList.parse(JSON.parse(row.modelsJson)),
    prices: ProviderPrices.parse(JSON.parse(row.pricesJson)),
    timeouts: ProviderTimeouts.parse(JSON.parse(row.timeoutsJson)),
    options: StoredOptions.parse(JSON.parse(row.optionsJson)),
  }
}

/** Opens the secrets of a provider. Throws `internal_error` when the master key is not the one that sealed them. */
export function openSecrets(row: ProviderRow, secretBox: SecretBox): SealedSecret[] {
  if (row.sealedCredentials === null) return []
  const text = secretBox.open(row.sealedCredentials, secretContext(row.id))
  return z.array(SealedSecret).parse(JSON.parse(text))
}

/** Seals the secrets of a provider for its row; null for none. */
export function sealSecrets(
  providerId: string,
  secrets: readonly SealedSecret[],
  secretBox: SecretBox,
): string | null {
  if (secrets.length === 0) return null
  return secretBox.seal(JSON.stringify(secrets), secretContext(providerId))
}

/** What a stored provider is made into a live one with. */
export interface ProviderContext {
  readonly secretBox: SecretBox
  readonly timeouts: Timeouts
  /** The provider as it was; its circuits live on while it stays at the same address. */
  readonly previous: Provider | undefined
}

/** Makes a provider ready for calls. Throws where its secrets do not open. */
export function toProvider(row: ProviderRow, context: ProviderContext): Provider {
  const { headers, models, prices, timeouts, options } = readColumns(row)
  const secrets = openSecrets(row, context.secretBox)
  const baseUrl = toBaseUrl(new URL(row.baseUrl))
  const isSamePlace = context.previous?.baseUrl.origin === baseUrl.origin
  const previous = isSamePlace ? context.previous : undefined
  const health = previous?.health ?? { circuit: new Circuit(), turn: 0 }
  const kind = ProviderKind.parse(row.kind)
  return Object.freeze({
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    kind,
    baseUrl,
    credentials: Object.freeze(toCredentials(secrets, health, previous)),
    headers: Object.freeze(toHeaders(headers, secrets)),
    models: Object.freeze(parseModelList(models)),
    enabled: row.enabled === 1,
    weight: row.weight,
    priority: row.priority,
    prices: createPriceList(prices),
    timeouts: toTimeouts(timeouts, context.timeouts),
    options: Object.freeze({
      injectUsage: options.injectUsage ?? kind !== 'anthropic',
      forwardOrganization: options.forwardOrganization ?? true,
      keepAliveComments: options.keepAliveComments ?? true,
      apiVersion: options.apiVersion ?? null,
    }),
    allowPrivate: row.allowPrivate === 1,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    health,
  })
}

/** Reads a stored alias. */
export function toAlias(row: AliasRow): Alias {
  return Object.freeze({
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    targets: StoredTargets.parse(JSON.parse(row.targetsJson)),
    enabled: row.enabled === 1,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  })
}

function toTimeouts(own: ProviderColumns['timeouts'], usual: Timeouts): Timeouts {
  return Object.freeze({
    connectMs: own.connectMs ?? usual.connectMs,
    firstByteMs: own.firstByteMs ?? usual.firstByteMs,
    idleMs: own.idleMs ?? usual.idleMs,
    totalMs: own.totalMs ?? usual.totalMs,
  })
}

function secretContext(providerId: string): string {
  return `providers/${providerId}/credentials`
}

function toCredentials(
  secrets: readonly SealedSecret[],
  health: ProviderHealth,
  previous: Provider | undefined,
): Credential[] {
  const circuitOf = (id: string): Circuit =>
    previous?.credentials.find((known) => known.id === id)?.circuit ?? new Circuit()
  const toCredential = (id: string, label: string, secret: Secret | null): Credential =>
    Object.freeze({ id, label, secret, circuit: circuitOf(id), endpoint: health.circuit })
  const credentials = secrets
    .filter((secret) => 'id' in secret)
    .map(({ id, label, text }) => toCredential(id, label, new Secret(text)))
  return credentials.length > 0 ? credentials : [toCredential('', '', null)]
}

function toHeaders(
  headers: Readonly<Record<string, string>>,
  secrets: readonly SealedSecret[],
): (readonly [string, string])[] {
  const sealed = new Map(
    secrets.filter((secret) => 'header' in secret).map(({ header, text }) => [header, text]),
  )
  return Object.entries(headers).map(([name, value]) =>
    Object.freeze([name.toLowerCase(), sealed.get(name) ?? value] as const),
  )
}
