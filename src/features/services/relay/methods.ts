import type { Era } from '../wire/protocol-versions.ts'
import { RpcError, rpcCodes } from '../wire/rpc-error.ts'
import type { IdText } from '../wire/rpc-message.ts'

/** Methods that revision 2026-07-28 took away, and those that it brought. */
const goneMethods: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/list',
  'tasks/result',
])
const modernMethods: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen'])

/** Says whether clients of an era may use a method; those that no revision knows pass. */
export function isOfEra(method: string, era: Era): boolean {
  return era === 'modern' ? !goneMethods.has(method) : !modernMethods.has(method)
}

/** The answer to a method that there is not. */
export function unknownMethod(method: string): RpcError {
  return new RpcError(rpcCodes.methodNotFound, `Method not found: ${method}`)
}

/** What two spellings of one id have in common: `1.0` and `1`, or a text with and without escapes. */
export function idKey(id: IdText): string {
  return /[\\.eE]/.test(id) ? JSON.stringify(JSON.parse(id)) : id
}
