import type { FastifyRequest } from 'fastify'
import { AppError } from '../../lib/errors.ts'
import { hasScope } from '../../lib/principal.ts'
import type { Principal } from '../../lib/principal.ts'
import '../../net/management.ts'

/**
 * The workspace a management request is about: the key's own, or for an admin the one that is asked for.
 * Throws `not_found` for everybody else's and for what does not exist.
 */
export type ChooseWorkspace = (principal: Principal, asked: string | undefined) => string

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

/** Who made a management request. */
export function requesterOf({ principal, inbound }: FastifyRequest): Requester {
  return { principal, actor: principal.keyId, requestId: inbound.id, ip: inbound.ip }
}

/** Says whether the principal may know of what belongs to a workspace. */
export function maySee(principal: Principal, workspaceId: string): boolean {
  return workspaceId === principal.workspaceId || hasScope(principal, 'admin')
}

/** The answer for what does not exist, and just as well for what belongs to somebody else. */
export function notFound(what: string): AppError {
  return new AppError('not_found', `There is no such ${what}.`)
}
