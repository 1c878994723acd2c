import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Live } from '../../lib/live.ts'
import { hasScope, type Scope } from '../../lib/principal.ts'
import type { Carrier, Inbound, PresentedCredential } from '../../net/exchange.ts'
import type { FailedLookups } from './failed-lookups.ts'
import type { KeyRing } from './key-ring.ts'
import { hashKeyText, keyTextLengthMax } from './key-text.ts'
import type { LiveKey } from './live-key.ts'

/** What a route demands of a credential. */
export interface CredentialRule {
  /** Where this route looks for a key; a key anywhere else does not count. */
  readonly carriers: ReadonlySet<Carrier>
  /** What the key must be allowed to do; undefined when any key will do. */
  readonly scope?: Scope | undefined
}

/** What authentication needs. */
export interface AuthenticateDeps {
  readonly ring: KeyRing
  readonly clock: Clock
  readonly failedLookups: FailedLookups
}

/**
 * Verifies the credential of a request and returns its key; the key’s id goes to the access line.
 * Throws `invalid_api_key`, `ambiguous_credentials`, `query_key_not_allowed`, `key_disabled`, `key_expired`,
 * `insufficient_scope`, and `rate_limit_exceeded` for an address that keeps trying unknown keys.
 */
export type Authenticate = (inbound: Inbound, rule: CredentialRule) => LiveKey

/** Creates the function; `config` says whether keys in the query string are accepted at all. */
export function createAuthenticate(
  { ring, clock, failedLookups }: AuthenticateDeps,
  config: Live<{ readonly queryKeys: boolean }>,
): Authenticate {
  return (inbound, rule) => {
    const credential = chooseCredential(inbound.credentials, rule.carriers)
    if (!credential) throw missingKey(inbound.credentials)
    const inQuery = credential.carrier === 'query'
    if (inQuery && !config().queryKeys) throw queryNotAllowed()
    const key = lookUp(ring, credential.text)
    if (!key) throw unknownKey(failedLookups.count(inbound.ip))
    inbound.note.keyId = key.keyId
    if (inQuery && !key.settings.allowQuery) throw queryNotAllowed()
    requireUsable(key, clock.now())
    if (rule.scope !== undefined && !hasScope(key, rule.scope)) {
      throw new AppError('insufficient_scope', `This needs a key with the scope ${rule.scope}.`)
    }
    return key
  }
}

/** The key with that text, whether it works or not; undefined for an unknown one. */
export function lookUp(ring: KeyRing, text: string): LiveKey | undefined {
  return text.length > keyTextLengthMax ? undefined : ring.withHash(hashKeyText(text))
}

/** The credential that counts. One that is sent twice, in a header and in the query, counts as in the header. */
function chooseCredential(
  credentials: readonly PresentedCredential[],
  carriers: ReadonlySet<Carrier>,
): PresentedCredential | undefined {
  let chosen: PresentedCredential | undefined
  for (const credential of credentials) {
    if (credential.text === '' || !carriers.has(credential.carrier)) continue
    if (chosen && chosen.text !== credential.text) {
      throw new AppError('ambiguous_credentials', 'The request carries two different keys.')
    }
    if (!chosen || chosen.carrier === 'query') chosen = credential
  }
  return chosen
}

function requireUsable(key: LiveKey, now: number): void {
  switch (key.standing(now)) {
    case 'usable':
      return
    case 'expired':
      throw new AppError('key_expired', 'The key has expired.')
    case 'disabled':
      throw new AppError('key_disabled', 'The key, or a key above it, is disabled.')
  }
}

function missingKey(credentials: readonly PresentedCredential[]): AppError {
  if (credentials.some(({ carrier }) => carrier === 'query')) return queryNotAllowed()
  return new AppError('invalid_api_key', 'The request carries no key.')
}

function unknownKey(waitMs: number | undefined): AppError {
  if (waitMs === undefined) return new AppError('invalid_api_key', 'The key is unknown.')
  return new AppError('rate_limit_exceeded', 'Too many unknown keys came from this address.', {
    hint: 'A valid key is accepted at any time.',
    retryAfterMs: waitMs,
  })
}

function queryNotAllowed(): AppError {
  return new AppError('query_key_not_allowed', 'The key may not come in the query string.')
}
