import { z } from 'zod'
import { ModelName } from '../../../protocol/api/providers.ts'
import { readColumns } from '../catalogue/catalogue-rows.ts'
import type { ProviderRow } from '../catalogue/catalogue-rows.ts'
import type { Provider } from '../catalogue/provider.ts'
import { lastFour } from '../administration/provider-view.ts'

/**
 * The settings of a workspace in the shape of Doroseek's settings contract: providers are its `items`, keys whose text
 * the client chose its `keys`. Fields of an element that are computed here may come back in a POST and are not looked at.
 */
export interface EndpointList {
  readonly keys: readonly SettingsKeyView[]
  readonly items: readonly SettingsItemView[]
}

interface SettingsKeyView {
  readonly id: string
  readonly versionstamp: string
  readonly name: string
  readonly parentId: string
  readonly enabled: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

interface SettingsItemView {
  readonly id: string
  readonly versionstamp: string
  /** `name|endpoint|apiKey`, the text that the settings page edits. */
  readonly setting: string
  readonly name: string
  readonly endpoint: string
  /** Masked: `…` and the last four characters. */
  readonly apiKey: string
  readonly models: readonly string[]
  readonly enabled: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** A key whose text can be shown again. */
export interface SettingsKey {
  readonly text: string
  readonly name: string
  readonly enabled: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

const elementsMax = 1000
/** What is shorter could be guessed. */
const keyCharsMin = 16
const maskStart = '…'
const text = z.string().max(4096)
const id = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, { error: 'must be 1 to 128 visible characters' })

/** A credential, or the mask that stands for the stored one. */
const apiKey = z
  .string()
  .trim()
  .max(4096)
  .regex(/^(…[\x21-\x7e]{0,4}|[\x21-\x7e]*)$/, {
    error: 'must consist of visible ASCII characters',
  })
const models = z
  .array(text)
  .transform((names) => names.filter((name) => name.trim() !== ''))
  .pipe(z.array(ModelName).max(elementsMax))

/** Body of `POST ?type=item`. */
export const SettingsItems = z
  .array(
    z.object({
      id,
      setting: text,
      name: text,
      endpoint: text,
      apiKey,
      enabled: z.boolean(),
      models,
    }),
  )
  .max(elementsMax)

/** Body of `POST ?type=key`. Only a key that is deleted may be shorter than one that can be made. */
export const SettingsKeys = z
  .array(
    z
      .object({ id, name: text, parentId: text, enabled: z.boolean() })
      .refine((key) => key.name === '' || key.id.length >= keyCharsMin, {
        error: `must have at least ${keyCharsMin} characters`,
        path: ['id'],
      }),
  )
  .max(elementsMax)

/** One item as a client posts it. */
export type SettingsItem = z.output<typeof SettingsItems>[number]

/** Shows a provider as an item; `provider` is the live one, undefined where its secrets do not open. */
export function toSettingsItem(row: ProviderRow, provider: Provider | undefined): SettingsItemView {
  const columns = readColumns(row)
  const name = columns.options.settingsName ?? row.name
  const mask = maskedKey(row, provider)
  return {
    id: row.id,
    versionstamp: toVersionstamp(row.updatedAt),
    setting: [name, row.baseUrl, mask].join('|'),
    name,
    endpoint: row.baseUrl,
    apiKey: mask,
    models: columns.models,
    enabled: row.enabled === 1,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  }
}

/** Shows a key. `listId` is the settings id through which it is looked at. */
export function toSettingsKey(key: SettingsKey, listId: string): SettingsKeyView {
  const { text: keyText, name, enabled, createdAt, updatedAt } = key
  const versionstamp = toVersionstamp(updatedAt)
  return { id: keyText, versionstamp, name, parentId: listId, enabled, createdAt, updatedAt }
}

/** What an item shows in place of its first credential; empty where it has none. A POST that brings it back keeps the credential. */
export function maskedKey(row: ProviderRow, provider: Provider | undefined): string {
  const [credential] = provider?.credentials ?? []
  if (credential !== undefined)
    return credential.secret === null ? '' : maskStart + lastFour(credential)
  return row.sealedCredentials === null ? '' : maskStart
}

/** Says whether the text is a mask and not a credential. */
export function isMask(apiKeyText: string): boolean {
  return apiKeyText.startsWith(maskStart)
}

/** Grows with every change of a row, and compares as text. */
function toVersionstamp(updatedAt: number): string {
  return String(updatedAt).padStart(20, '0')
}
