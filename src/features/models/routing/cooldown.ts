import type { Clock } from '../../../lib/clock.ts'
import type { Live } from '../../../lib/live.ts'
import type { CooldownPolicy } from './circuit.ts'
import type { Credential, Provider } from '../catalogue/provider.ts'
import { retryAfterMs } from './retry-after.ts'

/**
 * Keeps failing providers and credentials out of use for a while.
 * Every credential taken with `pickCredential` is handed back through exactly one of `answered`, `broke` and `abandoned`.
 */
export interface Cooldown {
  /** Says whether the provider and at least one of its credentials may be used. */
  isReady(provider: Provider): boolean
  /** Time until `isReady` becomes true, ms; 0 when it is. */
  readyInMs(provider: Provider): number
  /** Takes the next usable credential in turn; undefined while all are cooling. */
  pickCredential(provider: Provider): Credential | undefined
  /** The provider begins to answer well. How it goes on is reported later; until then nobody else has to wait for it. */
  began(credential: Credential): void
  /** The provider answered. Status and headers (flat list name, value, …) decide whether somebody has to cool down. */
  answered(credential: Credential, status: number, headers: readonly string[]): void
  /** The provider was unreachable, too slow, broke off, or reported its own failure inside a stream. */
  broke(credential: Credential): void
  /** The attempt ended for a reason that says nothing about the provider: the client left. */
  abandoned(credential: Credential): void
}

/** Makes the cool-down policy work on the circuits that providers carry. */
export function createCooldown(deps: { clock: Clock }, policy: Live<CooldownPolicy>): Cooldown {
  const { clock } = deps
  return {
    isReady(provider) {
      const now = clock.elapsed()
      return provider.health.circuit.isReady(now) && hasReadyCredential(provider, now)
    },
    readyInMs(provider) {
      const now = clock.elapsed()
      let earliest = Infinity
      for (const { circuit } of provider.credentials) {
        earliest = Math.min(earliest, circuit.readyInMs(now))
      }
      return Math.max(earliest, provider.health.circuit.readyInMs(now))
    },
    pickCredential(provider) {
      const now = clock.elapsed()
      if (!provider.health.circuit.isReady(now)) return undefined
      const credential = nextInTurn(provider, now)
      credential?.circuit.begin(now)
      if (credential !== undefined) provider.health.circuit.begin(now)
      return credential
    },
    began(credential) {
      credential.circuit.progress()
      credential.endpoint.progress()
    },
    answered(credential, status, headers) {
      if (status < 400) return succeed(credential)
      const blame = blamed(status)
      if (blame === 'nobody') return succeed(credential)
      const waitMs = isTemporary(status) ? retryAfterMs(headers, clock.now()) : undefined
      fail(credential, blame, waitMs)
    },
    broke(credential) {
      fail(credential, 'provider')
    },
    abandoned(credential) {
      const now = clock.elapsed()
      credential.circuit.abandon(now)
      credential.endpoint.abandon(now)
    },
  }

  function fail(credential: Credential, blame: 'credential' | 'provider', waitMs?: number): void {
    const now = clock.elapsed()
    if (blame === 'credential') {
      // Whoever refuses a credential is alive.
      credential.endpoint.succeed()
      credential.circuit.fail(now, policy(), waitMs)
    } else {
      credential.circuit.abandon(now)
      credential.endpoint.fail(now, policy(), waitMs)
    }
  }
}

function succeed(credential: Credential): void {
  credential.circuit.succeed()
  credential.endpoint.succeed()
}

/** Whose fault a status is. Accounts are refused, out of money or throttled by credential; what is left above 500 is the provider's own. */
function blamed(status: number): 'nobody' | 'credential' | 'provider' {
  if (status === 401 || status === 402 || status === 403 || status === 429) return 'credential'
  return status === 408 || status >= 500 ? 'provider' : 'nobody'
}

/** Statuses whose `retry-after` says when it is worth trying again, rather than being a habit of some proxy. */
function isTemporary(status: number): boolean {
  return status === 429 || status === 503 || status === 529
}

function hasReadyCredential(provider: Provider, now: number): boolean {
  for (const { circuit } of provider.credentials) {
    if (circuit.isReady(now)) return true
  }
  return false
}

function nextInTurn(provider: Provider, now: number): Credential | undefined {
  const { credentials, health } = provider
  for (let step = 0; step < credentials.length; step += 1) {
    const index = (health.turn + step) % credentials.length
    const credential = credentials[index]!
    if (!credential.circuit.isReady(now)) continue
    health.turn = (index + 1) % credentials.length
    return credential
  }
  return undefined
}
