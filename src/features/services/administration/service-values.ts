import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../../../config/secret.ts'
import { AppError } from '../../../lib/errors.ts'
import type { ServiceUpstream, ServiceValue } from '../../../protocol/api/services.ts'
import type { SecretBox } from '../../../store/secret-box.ts'
import type { LiveValue } from '../service.ts'

/** Stands for a value that is sealed, in settings and in everything shown; sent back, it keeps the value. */
const sealedMark = '[secret]'

/** What stands behind a service, in the form in which it is stored and shown: secrets masked. */
export type Upstream = z.output<typeof ServiceUpstream>

type Value = z.output<typeof ServiceValue>
type Values = Readonly<Record<string, Value>>

/** The secrets of one service in the clear. */
export interface ServiceSecrets {
  /** Random text that makes the revision, a hash over the secrets, useless for guessing them. */
  readonly salt: string
  readonly byName: ReadonlyMap<string, string>
}

const StoredSecrets = z.strictObject({
  salt: z.string(),
  byName: z.record(z.string(), z.string()),
})

const secretName = /auth|cookie|credential|key|passw|secret|session|signature|token/i

/** A service without secrets. */
export const noSecrets: ServiceSecrets = { salt: '', byName: new Map() }

/** The environment of a program or the headers for a remote server; none for what is built in. */
export function valuesOf(upstream: Upstream): Values {
  switch (upstream.kind) {
    case 'process':
      return upstream.env
    case 'remote':
      return upstream.headers
    case 'builtin':
      return {}
  }
}

/** The upstream with other values. */
function withValues(upstream: Upstream, values: Values): Upstream {
  switch (upstream.kind) {
    case 'process':
      return { ...upstream, env: { ...values } }
    case 'remote':
      return { ...upstream, headers: { ...values } }
    case 'builtin':
      return upstream
  }
}

/** Names of the values that each key gives for itself. */
export function perUserNames(upstream: Upstream): string[] {
  return Object.entries(valuesOf(upstream))
    .filter(([, value]) => typeof value === 'object' && 'perUser' in value)
    .map(([name]) => name)
}

/**
 * Takes the secrets out of what was given: those that are said to be, and those whose name says so. `known` are the
 * ones that `[secret]` keeps. Throws `invalid_request` for one that is not there to be kept.
 */
export function takeSecrets(
  given: Upstream,
  known: ServiceSecrets,
): { upstream: Upstream; secrets: ServiceSecrets } {
  const byName = new Map<string, string>()
  const isHeaders = given.kind === 'remote'
  const masked = Object.entries(valuesOf(given)).map(([mixedCase, value]) => {
    const name = isHeaders ? mixedCase.toLowerCase() : mixedCase
    const text = secretText(name, value)
    if (text === undefined) return [name, value] as const
    byName.set(name, text === sealedMark ? keptText(name, known) : text)
    return [name, { secret: sealedMark }] as const
  })
  const salt = byName.size === 0 ? '' : known.salt || randomBytes(16).toString('base64url')
  return {
    upstream: withValues(given, Object.fromEntries(masked)),
    secrets: { salt, byName },
  }
}

/** Values ready for use. */
export function toLiveValues(
  upstream: Upstream,
  { byName }: ServiceSecrets,
): ReadonlyMap<string, LiveValue> {
  return new Map(
    Object.entries(valuesOf(upstream)).map(([name, value]) => [
      name,
      toLiveValue(value, byName.get(name)),
    ]),
  )
}

/** Values as text for people: secrets masked, and what each key gives for itself left out. */
export function shownValues(upstream: Upstream): Record<string, string> {
  const shown = Object.entries(valuesOf(upstream)).flatMap(([name, value]) => {
    if (typeof value === 'string') return [[name, value] as const]
    return 'secret' in value ? [[name, value.secret] as const] : []
  })
  return Object.fromEntries(shown)
}

/** Seals the secrets of a service for its row; null for none. */
export function sealSecrets(
  serviceId: string,
  { salt, byName }: ServiceSecrets,
  secretBox: SecretBox,
): string | null {
  if (byName.size === 0) return null
  const stored = { salt, byName: Object.fromEntries(byName) } satisfies z.input<
    typeof StoredSecrets
  >
  return secretBox.seal(JSON.stringify(stored), secretContext(serviceId))
}

/** Opens the secrets of a row. Throws `internal_error` when the master key is not the one that sealed them. */
export function openSecrets(
  { id, sealedValues }: { readonly id: string; readonly sealedValues: string | null },
  secretBox: SecretBox,
): ServiceSecrets {
  if (sealedValues === null) return noSecrets
  const { salt, byName } = StoredSecrets.parse(
    JSON.parse(secretBox.open(sealedValues, secretContext(id))),
  )
  return { salt, byName: new Map(Object.entries(byName)) }
}

/** Where the value that one key gives for a service is sealed for. */
export function userValueContext(place: {
  readonly serviceId: string
  readonly keyId: string
  readonly name: string
}): string {
  return `serviceUserValues/${place.serviceId}/${place.keyId}/${place.name}`
}

function secretContext(serviceId: string): string {
  return `services/${serviceId}/values`
}

/** undefined for a value that is no secret. */
function secretText(name: string, value: Value): string | undefined {
  if (typeof value === 'object') return 'secret' in value ? value.secret : undefined
  return value === sealedMark || secretName.test(name) ? value : undefined
}

function keptText(name: string, known: ServiceSecrets): string {
  const kept = known.byName.get(name)
  if (kept !== undefined) return kept
  throw new AppError('invalid_request', `There is no stored value of ${name} to keep.`, {
    hint: `Give ${name} again. A stored secret is never sent to another host.`,
    issues: [{ path: name, message: 'has to be given' }],
  })
}

function toLiveValue(value: Value, secret: string | undefined): LiveValue {
  if (typeof value === 'string') return { kind: 'plain', text: value }
  if ('perUser' in value) return { kind: 'per-user' }
  return { kind: 'secret', secret: new Secret(secret ?? '') }
}
