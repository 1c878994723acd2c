import type { z } from 'zod'
import { AppError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import { parseOutboundUrl } from '../../../net/address-guard.ts'
import type { NewProvider, ProviderChange } from '../../../protocol/api/providers.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import { toBaseUrl } from '../catalogue/base-url.ts'
import { builtinProviderName } from '../catalogue/builtin-provider.ts'
import {
  openSecrets,
  readColumns,
  sealedHeaderMark,
  sealSecrets,
} from '../catalogue/catalogue-rows.ts'
import type { ProviderColumns, ProviderRow, SealedSecret } from '../catalogue/catalogue-rows.ts'

/** A provider in the form in which it is changed: everything open, names and URL checked. */
export interface ProviderDraft extends Omit<ProviderColumns, 'headers'> {
  readonly name: string
  readonly kind: string
  readonly baseUrl: string
  readonly credentials: readonly DraftCredential[]
  /** Lower-case names; secret values in the clear. */
  readonly headers: Readonly<Record<string, string>>
  readonly enabled: boolean
  readonly weight: number
  readonly priority: number
  readonly allowPrivate: boolean
}

/** One credential in the clear. */
type DraftCredential = Extract<SealedSecret, { id: string }>

type NewProviderBody = z.output<typeof NewProvider>
type ProviderChangeBody = z.output<typeof ProviderChange>
type CredentialFields = Pick<ProviderChangeBody, 'apiKey' | 'apiKeys'>

const secretHeader = /auth|cookie|credential|key|password|secret|session|signature|token/

/**
 * A draft of a new provider. Throws `reserved_name`, `invalid_request` and `destination_not_allowed`.
 */
export function draftNewProvider(body: NewProviderBody): ProviderDraft {
  const { apiKey: _one, apiKeys: _several, workspaceId: _workspace, ...fields } = body
  refuseReservedName(body.name)
  return {
    ...fields,
    baseUrl: checkBaseUrl(body.baseUrl, body.allowPrivate),
    headers: mergeHeaders(body.headers, {}),
    models: distinct(body.models),
    credentials: readCredentials(body) ?? [],
  }
}

/**
 * Applies a change to a draft. A stored credential is bound to the host it was given for: where the base URL moves to
 * another origin it has to be given again, and leave to be private too. Throws as `draftNewProvider`.
 */
export function changeDraft(before: ProviderDraft, change: ProviderChangeBody): ProviderDraft {
  const { apiKey: _one, apiKeys: _several, ...given } = change
  if (change.name !== undefined) refuseReservedName(change.name)
  const movesAway = change.baseUrl !== undefined && !isSameOrigin(change.baseUrl, before.baseUrl)
  const kept = movesAway ? withoutSecrets(before, change) : before
  const after = { ...kept, ...withoutUndefined(given) }
  return {
    ...after,
    baseUrl: checkBaseUrl(after.baseUrl, after.allowPrivate),
    headers:
      change.headers === undefined ? kept.headers : mergeHeaders(change.headers, kept.headers),
    models: distinct(after.models),
    options: { ...after.options, settingsName: before.options.settingsName },
    credentials: readCredentials(change) ?? kept.credentials,
  }
}

/** What may stay when a provider moves to another host. Throws where a secret would be lost without a word. */
function withoutSecrets(before: ProviderDraft, change: ProviderChangeBody): ProviderDraft {
  const isCredentialGiven = change.apiKey !== undefined || change.apiKeys !== undefined
  if (!isCredentialGiven && before.credentials.length > 0) throw secretMissing('apiKey')
  const headers = Object.entries(before.headers).filter(([name]) => !isSecretHeader(name))
  const hasSecrets = headers.length < Object.keys(before.headers).length
  if (change.headers === undefined && hasSecrets) throw secretMissing('headers')
  return { ...before, allowPrivate: false, credentials: [], headers: Object.fromEntries(headers) }
}

/** Reads a stored provider for changing. Throws `internal_error` when its secrets do not open. */
export function openDraft(row: ProviderRow, secretBox: SecretBox): ProviderDraft {
  const columns = readColumns(row)
  const secrets = openSecrets(row, secretBox)
  const sealed = secrets.filter((secret) => 'header' in secret)
  return {
    ...columns,
    name: row.name,
    kind: row.kind,
    baseUrl: row.baseUrl,
    enabled: row.enabled === 1,
    weight: row.weight,
    priority: row.priority,
    allowPrivate: row.allowPrivate === 1,
    credentials: secrets.filter((secret) => 'id' in secret),
    headers: {
      ...columns.headers,
      ...Object.fromEntries(sealed.map(({ header, text }) => [header, text])),
    },
  }
}

/** The columns of a draft; credentials and secret header values sealed. */
export function closeDraft(
  id: string,
  draft: ProviderDraft,
  secretBox: SecretBox,
): Omit<ProviderRow, 'id' | 'workspaceId' | 'createdAt' | 'updatedAt'> {
  const secretHeaders = Object.entries(draft.headers)
    .filter(([name]) => isSecretHeader(name))
    .map(([header, text]) => ({ header, text }))
  return {
    name: draft.name,
    kind: draft.kind,
    baseUrl: draft.baseUrl,
    sealedCredentials: sealSecrets(id, [...draft.credentials, ...secretHeaders], secretBox),
    headersJson: JSON.stringify(maskHeaders(draft.headers)),
    modelsJson: JSON.stringify(draft.models),
    enabled: Number(draft.enabled),
    weight: draft.weight,
    priority: draft.priority,
    pricesJson: JSON.stringify(draft.prices),
    timeoutsJson: JSON.stringify(draft.timeouts),
    optionsJson: JSON.stringify(draft.options),
    allowPrivate: Number(draft.allowPrivate),
  }
}

/** A draft as the audit trail may keep it: which credentials there are, not what they are. */
export function auditableDraft(draft: ProviderDraft): object {
  return {
    ...draft,
    credentials: draft.credentials.map(({ id, label }) => ({ id, label, key: '[secret]' })),
    headers: maskHeaders(draft.headers),
  }
}

/** A credential for storing, with an id of its own. */
function newCredential(text: string, label = ''): DraftCredential {
  return { id: newId('cred'), label, text }
}

/** Parses and judges a base URL. Throws `invalid_request`, or `destination_not_allowed` for a private address without leave. */
function checkBaseUrl(text: string, allowPrivate: boolean): string {
  const url = parseOutboundUrl(text, { schemes: ['https', 'http'], anyPort: true, allowPrivate })
  if (url.search !== '' || url.hash !== '') {
    throw new AppError('invalid_request', 'The base URL must not contain a query or a fragment.', {
      param: 'baseUrl',
    })
  }
  const { origin, basePath } = toBaseUrl(url)
  return origin + basePath
}

/** Says whether two URLs lead to the same scheme, host and port. */
export function isSameOrigin(one: string, other: string): boolean {
  return URL.parse(one)?.origin === URL.parse(other)?.origin
}

/** Says by its name whether a header's value is to be kept like a credential. */
export function isSecretHeader(name: string): boolean {
  return secretHeader.test(name)
}

function refuseReservedName(name: string): void {
  if (name.toLowerCase() !== builtinProviderName) return
  throw new AppError('reserved_name', `The name "${name}" belongs to the built-in provider.`, {
    param: 'name',
  })
}

/** Undefined where nothing was said about credentials. */
function readCredentials({ apiKey, apiKeys }: CredentialFields): DraftCredential[] | undefined {
  if (apiKey !== undefined) return apiKey === null || apiKey === '' ? [] : [newCredential(apiKey)]
  return apiKeys?.map((given) =>
    typeof given === 'string' ? newCredential(given) : newCredential(given.key, given.label),
  )
}

/** Headers as given; one that reads `[secret]` keeps the value it has. */
function mergeHeaders(
  given: Readonly<Record<string, string>>,
  known: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = Object.entries(given).map(([mixedCase, value]) => {
    const name = mixedCase.toLowerCase()
    if (value !== sealedHeaderMark) return [name, value] as const
    const kept = known[name]
    if (kept === undefined) throw secretMissing(`headers.${mixedCase}`)
    return [name, kept] as const
  })
  return Object.fromEntries(merged)
}

function maskHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      isSecretHeader(name) ? sealedHeaderMark : value,
    ]),
  )
}

function secretMissing(path: string): AppError {
  return new AppError('invalid_request', 'A stored secret is never sent to another host.', {
    hint: `Give ${path} again.`,
    issues: [{ path, message: 'has to be given again' }],
  })
}

function distinct(list: readonly string[]): string[] {
  return [...new Set(list)]
}

type Defined<Fields> = { [Name in keyof Fields]: Exclude<Fields[Name], undefined> }

function withoutUndefined<Fields extends object>(fields: Fields): Defined<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Defined<Fields>
}
