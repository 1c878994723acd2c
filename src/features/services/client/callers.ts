import type { Inbound } from '../../../net/exchange.ts'
import type { Caller } from '../caller.ts'
import type { McpFrontDependencies } from './front-dependencies.ts'

/** Whom a request speaks for; noted for the access line. Throws as `CallerAccess.authenticate`. */
export function authenticate(
  { access, anonymousCaller }: Pick<McpFrontDependencies, 'access' | 'anonymousCaller'>,
  inbound: Inbound,
): Caller {
  const anonymous = inbound.credentials.length === 0 ? anonymousCaller(inbound) : undefined
  const caller = anonymous ?? access.authenticate(inbound)
  inbound.note.keyId = caller.keyId
  return caller
}
