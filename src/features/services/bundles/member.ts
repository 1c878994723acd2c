import { AppError } from '../../../lib/errors.ts'
import type { z } from 'zod'
import type { ServiceFilter } from '../../../protocol/api/services.ts'
import type { Endpoint } from '../relay/relay.ts'
import { RpcError, rpcCodes, toRpcError } from '../wire/rpc-error.ts'

/** One service of a bundle. */
export interface Member {
  /** Prefix of its tools where names collide: the alias, or the name of the service. */
  readonly name: string
  readonly endpoint: Endpoint
  /** What the bundle shows of it, on top of the filter of the service itself. */
  readonly filter?: z.output<typeof ServiceFilter> | undefined
}

/** Why a service is missing from a list: an element of `_meta["portico/omitted"]`. */
export interface Omission {
  readonly service: string
  readonly code: string
  readonly message: string
}

/** Identifies a member within its bundle, also when its endpoint was made anew. */
export function keyOf(member: Member): string {
  return `${member.endpoint.id} ${member.name}`
}

/** A failure of one member as the client is told it: with the name of the service, and a code in `data`. */
export function toMemberError(member: Member, error: unknown, requestId?: string): RpcError {
  const { code, message, data } = toRpcError(error, requestId)
  const service = member.endpoint.name
  const details = typeof data === 'object' && data !== null ? data : {}
  return new RpcError(code, `Service ${service}: ${message}`, {
    code: 'upstream_failed',
    ...details,
    service,
  })
}

/** A failure of one member as the reason why it is missing from a list. */
export function toOmission(member: Member, error: unknown): Omission {
  const { name: service } = member.endpoint
  if (error instanceof AppError) return { service, code: error.code, message: error.message }
  const { message } = toRpcError(error)
  return { service, code: 'upstream_failed', message }
}

/** Says whether a server answered that it does not have the method, which is as good as an empty list. */
export function isMethodMissing(error: unknown): boolean {
  return error instanceof RpcError && error.code === rpcCodes.methodNotFound
}
