import type { FastifyRequest } from 'fastify'
import { AppError } from '../lib/errors.ts'
import { hasScope, type Principal } from '../lib/principal.ts'
import './management.ts'

/** On whose account a change goes into the audit trail. */
export interface Author {
  /** Key id, or `system`. */
  readonly actor: string
  readonly requestId: string
  readonly ip: string
}

/** Who asks for something of the management API. */
export interface Requester extends Author {
  readonly principal: Principal
}

/** The author of what Portico does by itself. */
export const systemAuthor: Author = { actor: 'system', requestId: '', ip: '' }

/** Who asks, of a management request that was authenticated. */
export function requesterOf({ principal, inbound }: FastifyRequest): Requester {
  return { principal, actor: principal.keyId, requestId: inbound.id, ip: inbound.ip }
}

/** Says whether the principal manages every workspace. */
export function isAdmin(principal: Principal): boolean {
  return hasScope(principal, 'admin')
}

/** Returns the requester. Throws `insufficient_scope` for one that is no admin. */
export function requireAdmin(requester: Requester): Requester {
  if (isAdmin(requester.principal)) return requester
  throw new AppError('insufficient_scope', 'This needs a key with the scope admin.')
}

/** Says whether the principal may know of what belongs to a workspace. */
export function maySee(principal: Principal, workspaceId: string): boolean {
  return workspaceId === principal.workspaceId || isAdmin(principal)
}

/** The answer for what does not exist, and just as well for what belongs to somebody else. */
export function notFound(what: string): AppError {
  return new AppError('not_found', `There is no such ${what}.`)
}
